/**
 * `GET /status`, `POST /reconcile` with `{"dryRun": true}`, `POST /forget` with
 * `{"network": "br-0123456789ab", "dryRun": true}`, `POST /v1/gc` with `{"dryRun": true}`.
 */
import { type Telemetry, untold } from '../../driver/telemetry.js';
import type { Operator } from '../../operator/status.js';
import type { AdminRoutes } from '../server.js';

export const reconcileBody = {
  type: 'object',
  properties: { dryRun: { type: 'boolean' } },
  required: ['dryRun'],
  additionalProperties: false,
} as const;

export const forgetBody = {
  type: 'object',
  properties: { network: { type: 'string', maxLength: 64 }, dryRun: { type: 'boolean' } },
  required: ['network', 'dryRun'],
  additionalProperties: false,
} as const;

export function upkeepRoutes(operator: Operator, telemetry: Telemetry = untold): AdminRoutes {
  return (app, log) => {
    app.get('/status', () => operator.status());
    app.post<{ Body: { dryRun: boolean } }>(
      '/reconcile',
      { schema: { body: reconcileBody } },
      async ({ body }) => {
        const { dryRun, changes, forgotten } = await operator.reconcile(body.dryRun);
        const counts = Object.entries(changes).map(([name, { length }]) => [name, length] as const);
        const fields = { dryRun, ...Object.fromEntries(counts) };
        log.info(fields, 'reconciled because an operator asked for it');
        if (!dryRun) {
          const text = counts.map(([name, length]) => `${name}: ${length} changes`).join(', ');
          telemetry.tell({ kind: 'operator', action: 'reconcile', text });
        }
        return { dryRun, ...changes, forgotten };
      },
    );
    app.post<{ Body: { network: string; dryRun: boolean } }>(
      '/forget',
      { schema: { body: forgetBody } },
      async ({ body }) => {
        const gone = await operator.forget(body.network, body.dryRun);
        const fields = { dryRun: body.dryRun, network: gone.id.slice(0, 12) };
        log.info(fields, 'an operator asked to forget a network or an endpoint');
        if (!body.dryRun) {
          const text = gone.id.slice(0, 12);
          telemetry.tell({ kind: 'operator', action: 'forget', text });
        }
        return gone;
      },
    );
    app.post<{ Body: { dryRun: boolean } }>(
      '/v1/gc',
      { schema: { body: reconcileBody } },
      async ({ body: { dryRun } }) => {
        const collected = await operator.gc(dryRun);
        const { networks, endpoints, kept } = collected;
        const counts = [networks, endpoints, kept].map(({ length }) => length);
        const fields = { dryRun, networks: counts[0], endpoints: counts[1], kept: counts[2] };
        log.info(fields, 'an operator asked to remove what the engine has forgotten');
        if (!dryRun) {
          const text = `networks: ${counts[0]} removed, endpoints: ${counts[1]} removed, kept: ${counts[2]}`;
          telemetry.tell({ kind: 'operator', action: 'gc', text });
        }
        return { dryRun, ...collected };
      },
    );
  };
}
