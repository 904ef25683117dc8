/** `GET /v1/names` of the operators' socket. */
import type { NamesDocument } from '../../operator/names/names.js';
import type { AdminRoutes } from '../server.js';

export function namesRoute(names: () => NamesDocument): AdminRoutes {
  return (app) => {
    app.get('/v1/names', async () => names());
  };
}
