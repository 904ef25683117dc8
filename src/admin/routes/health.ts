/** `GET /health/live` and `GET /health/ready`: 200 or 503, with the reasons. */
import type { Health } from '../../operator/health.js';
import type { AdminRoutes } from '../server.js';

export function healthRoutes(health: Pick<Health, 'live' | 'ready'>): AdminRoutes {
  return (app) => {
    for (const name of ['live', 'ready'] as const) {
      app.get(`/health/${name}`, async (_request, reply) => {
        const report = await health[name]();
        return reply.status(report.ok ? 200 : 503).send({ schema: 'tsbridge.health/1', ...report });
      });
    }
  };
}
