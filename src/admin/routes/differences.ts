/** `GET /v1/differences`: what a repair would change now, with the places of rules. Nothing is changed. */
import type { Differences } from '../../operator/differences.js';
import type { AdminRoutes } from '../server.js';

export function differencesRoutes(find: () => Promise<Differences>): AdminRoutes {
  return (app) => {
    app.get('/v1/differences', () => find());
  };
}
