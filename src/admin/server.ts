/**
 * The operator's socket: `GET /status`, `POST /reconcile` with `{"dryRun": true}`, `POST /forget` with
 * `{"network": "br-0123456789ab", "dryRun": true}`. Answers are JSON;
 * an error is `{"error": {"code", "message"}}`, with a code of docs/errors.md.
 */
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { DriverError, messageOf } from '../core/errors.js';
import type { Log } from '../driver/host.js';
import type { Operator } from '../operator/status.js';

export interface AdminServer {
  readonly app: FastifyInstance;
  /** Ends every connection. */
  close(): Promise<void>;
}

const bodyLimitBytes = 64 * 1024;

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

export function createAdminServer(operator: Operator, log: Log): AdminServer {
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    exposeHeadRoutes: false,
    http: { requireHostHeader: false },
    ajv: {
      // A test checks the schemas, so that a start does not spend 0.1 s on it.
      customOptions: { coerceTypes: false, removeAdditional: false, validateSchema: false },
    },
  });
  app.setErrorHandler((error: FastifyError | DriverError, request, reply) => {
    const known = error instanceof DriverError;
    // An error without a code of ours comes from fastify: the request was wrong.
    const complaint = !known && (error.statusCode ?? 500) < 500;
    const code = known ? error.code : complaint ? 'bad-request' : 'internal';
    log.warn({ method: request.url, error }, 'operator call failed');
    return reply.status(complaint ? 400 : 500).send(answer(code, messageOf(error)));
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .status(404)
      .send(answer('method-unknown', `${request.method} ${request.url} is not known here`)),
  );
  app.get('/status', () => operator.status());
  app.post<{ Body: { dryRun: boolean } }>(
    '/reconcile',
    { schema: { body: reconcileBody } },
    async ({ body }) => {
      const { dryRun, changes, forgotten } = await operator.reconcile(body.dryRun);
      const counts = Object.entries(changes).map(([name, { length }]) => [name, length] as const);
      const fields = { dryRun, ...Object.fromEntries(counts) };
      log.info(fields, 'reconciled because an operator asked for it');
      return { dryRun, ...changes, forgotten };
    },
  );
  app.post<{ Body: { network: string; dryRun: boolean } }>(
    '/forget',
    { schema: { body: forgetBody } },
    async ({ body }) => {
      const gone = await operator.forget(body.network, body.dryRun);
      const fields = { dryRun: body.dryRun, network: gone.id.slice(0, 12) };
      log.info(fields, 'an operator asked to forget a network');
      return gone;
    },
  );
  return {
    app,
    async close() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

function answer(code: string, message: string): { error: { code: string; message: string } } {
  return { error: { code, message } };
}
