/** `GET /metrics` on the operators' socket. */
import { metricsContentType } from '../../operator/metrics/content-type.js';
import type { AdminRoutes } from '../server.js';

export function metricsRoute(text: () => Promise<string>): AdminRoutes {
  return (app) => {
    app.get('/metrics', async (_request, reply) =>
      reply.type(metricsContentType).send(await text()),
    );
  };
}
