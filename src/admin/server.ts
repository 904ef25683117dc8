/**
 * Serves the operators' socket. Each kind of request has a file in `routes/`. Answers are JSON unless a route
 * says otherwise; an error is `{"error": {"code", "message"}}`, with a code of docs/errors.md.
 */
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { DriverError, messageOf } from '../core/errors.js';
import type { Log } from '../driver/host.js';
import { lazyValidation } from '../lazy-validation.js';

export interface AdminServer {
  readonly app: FastifyInstance;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Adds what one part of the daemon answers to. */
export type AdminRoutes = (app: FastifyInstance, log: Log) => void;

const bodyLimitBytes = 64 * 1024;

/** Milliseconds in which a request has to arrive, head and body; its answer may take any time. */
const arrivalMs = 30_000;

/** @param withinMs milliseconds after which the connection of a request that has not arrived whole is closed */
export function createAdminServer(
  routes: readonly AdminRoutes[],
  log: Log,
  withinMs = arrivalMs,
): AdminServer {
  const app = fastify({
    bodyLimit: bodyLimitBytes,
    exposeHeadRoutes: false,
    requestTimeout: withinMs,
    http: {
      requireHostHeader: false,
      headersTimeout: withinMs,
      connectionsCheckingInterval: withinMs,
    },
  });
  // The schemas are not validated here, which would take a start 0.1 s: a test does that.
  app.setValidatorCompiler(lazyValidation({ useDefaults: true, validateSchema: false }));
  app.setErrorHandler((error: FastifyError | DriverError, request, reply) => {
    const known = error instanceof DriverError;
    // An error without a code of docs/errors.md is fastify's: it refused the request.
    const complaint = known ? error.code === 'bad-request' : (error.statusCode ?? 500) < 500;
    const code = known ? error.code : complaint ? 'bad-request' : 'internal';
    log.warn({ method: request.url, error }, 'operator call failed');
    return reply.status(complaint ? 400 : 500).send(answer(code, messageOf(error)));
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .status(404)
      .send(answer('method-unknown', `${request.method} ${request.url} is not known here`)),
  );
  for (const add of routes) add(app, log);
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
