/** Docker's plugin protocol over HTTP: one call in, one answer and one log line out. */
import type { Socket } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { DriverError } from '../../core/errors.js';
import { show } from '../../core/problems.js';
import type { ProcessId } from '../../driver/host.js';
import { type Telemetry, untold } from '../../driver/telemetry.js';
import { lazyValidation } from '../../lazy-validation.js';
import { type ListenOn, listenOn } from '../../unix-socket.js';
import { asDriverError, rawBadRequest, sendAnswer, sendError } from './answer.js';
import { budgetBodies } from './body-budget.js';
import { parseJson } from './json.js';
import { type Call, type Route, routes } from './routes.js';
import { bodyMissing, type CallSettings, logIds, serveCall } from './serve-call.js';

export interface ServerSettings extends CallSettings {
  /** A container with 60,000 ports sends 6.4 MB. Also for all large bodies together. */
  readonly bodyLimitBytes?: number;
  /** The process that has made this connection; asked once, when the connection is new. */
  readonly identifyCaller?: (socket: Socket) => Promise<ProcessId | undefined>;
  readonly telemetry?: Telemetry;
  /** Called when large bodies have left so much garbage that it should be collected. */
  readonly collectGarbage?: () => void;
}

export interface PluginServer {
  /** For tests: `inject`. */
  readonly app: FastifyInstance;
  /** How many calls are worked on. */
  readonly open: number;
  listen(where: ListenOn): Promise<void>;
  /** Answers the calls that are being worked on, then ends every connection. */
  close(): Promise<void>;
}

const defaultBodyLimitBytes = 12 * 1024 * 1024;

export function createServer(settings: ServerSettings): PluginServer {
  const bodyLimit = settings.bodyLimitBytes ?? defaultBodyLimitBytes;
  const app = fastify({
    bodyLimit,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    // Engines up to 20.10 send an empty Host; a person with `nc` sends none.
    http: { requireHostHeader: false },
    frameworkErrors: (error, request, reply) => {
      onError(error, request, reply);
      // fastify calls no hook for a URL that it cannot parse, so the call is logged here.
      logCall(settings, request, reply, notes.get(request));
    },
    clientErrorHandler: (error, socket) => {
      // Node.js reports each further part of the same bad request, and a client that went away, too.
      if (!socket.writable || error.code === 'ECONNRESET') {
        socket.destroy();
        return;
      }
      settings.log.warn({ error }, 'request is not HTTP');
      socket.end(rawBadRequest(error.code));
    },
  });
  const notes = new WeakMap<FastifyRequest, CallNote>();
  const onError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const failure = asDriverError(error, methodOf(request));
    noteOf(notes, request).error = failure.code === 'internal' ? error : failure;
    return sendError(reply, failure);
  };

  keepConnections(app);
  budgetBodies(app, bodyLimit, settings.collectGarbage ?? (() => {}));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, parseJson(String(text)));
    } catch (error) {
      done(error as DriverError);
    }
  });
  // A test checks the schemas, so that a start does not spend 0.1 s on it.
  app.setValidatorCompiler(lazyValidation({ validateSchema: false }));
  app.setErrorHandler(onError);
  app.setNotFoundHandler((request, reply) => {
    const method = `${request.method === 'POST' ? '' : `${request.method} `}${methodOf(request)}`;
    return onError(
      new DriverError('method-unknown', `${method} is not a method of this driver`),
      request,
      reply,
    );
  });
  app.addHook('onResponse', async (request, reply) => {
    logCall(settings, request, reply, notes.get(request));
  });
  const open = countCalls(app);
  const callerOf = rememberCallers(app, settings);
  for (const route of routes) {
    addRoute(app, route, settings, (request) => noteOf(notes, request), callerOf);
  }

  return {
    app,
    get open() {
      return open.count();
    },
    async listen(where) {
      await app.ready();
      await listenOn(app.server, where);
    },
    async close() {
      const closed = app.close();
      await open.none();
      // The connections that are left are idle, or wait for a body.
      app.server.closeAllConnections();
      await closed;
    },
  };
}

/** Go's client keeps idle connections; if the server closed one, a call just sent on it would fail. */
function keepConnections({ server }: FastifyInstance): void {
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.timeout = 0;
}

/** Each connection is of one process, which the kernel names as long as the connection is open. */
function rememberCallers(
  { server }: FastifyInstance,
  { identifyCaller }: ServerSettings,
): (request: FastifyRequest) => Promise<ProcessId | undefined> {
  const callers = new WeakMap<Socket, Promise<ProcessId | undefined>>();
  if (identifyCaller !== undefined) {
    server.on('connection', (socket) => callers.set(socket, identifyCaller(socket)));
  }
  return async (request) => callers.get(request.raw.socket);
}

interface CallNote {
  call?: Call;
  error?: unknown;
}

function noteOf(notes: WeakMap<FastifyRequest, CallNote>, request: FastifyRequest): CallNote {
  const note = notes.get(request) ?? {};
  notes.set(request, note);
  return note;
}

function addRoute(
  app: FastifyInstance,
  route: Route,
  settings: CallSettings,
  note: (request: FastifyRequest) => CallNote,
  callerOf: (request: FastifyRequest) => Promise<ProcessId | undefined>,
): void {
  app.post(
    `/${route.method}`,
    {
      ...(route.schema === undefined ? {} : { schema: { body: route.schema.json } }),
      preValidation: async (request) => {
        if (route.schema !== undefined && request.body === undefined)
          throw bodyMissing(route.method);
      },
    },
    async (request, reply) => {
      const call = route.prepare(request.body, await callerOf(request));
      note(request).call = call;
      return sendAnswer(reply, await serveCall(route.method, call, settings));
    },
  );
}

/** Any client can choose the URL, so it is escaped and cut for the log. */
const methodOf = (request: FastifyRequest) => show(request.url.replace(/^\//, ''));

function logCall(
  { log, telemetry = untold }: ServerSettings,
  request: FastifyRequest,
  reply: FastifyReply,
  note?: CallNote,
): void {
  const fields = {
    method: methodOf(request),
    ...logIds(note?.call ?? {}),
    durationMs: Math.round(reply.elapsedTime * 10) / 10,
  };
  if (note?.error === undefined) log.info({ ...fields, outcome: 'ok' }, 'call');
  else log.warn({ ...fields, outcome: 'error', error: note.error }, 'call');
  const { error, call: { networkId, endpointId } = {} } = note ?? {};
  telemetry.tell({
    ...{ kind: 'call', method: knownMethod(request), network: networkId, endpoint: endpointId },
    durationMs: fields.durationMs,
    code: error === undefined ? 'ok' : error instanceof DriverError ? error.code : 'internal',
  });
}

const methods: ReadonlySet<string> = new Set(routes.map(({ method }) => method));

function knownMethod({ url }: FastifyRequest): string {
  const method = url.slice(1);
  return methods.has(method) ? method : 'other';
}

/** Calls whose body has come and whose answer is not out yet. */
function countCalls(app: FastifyInstance): { none(): Promise<void>; count(): number } {
  const open = new Set<FastifyRequest>();
  let waiting: (() => void)[] = [];
  app.addHook('preValidation', async (request) => {
    open.add(request);
  });
  app.addHook('onResponse', async (request) => {
    open.delete(request);
    if (open.size > 0) return;
    for (const done of waiting) done();
    waiting = [];
  });
  return {
    count: () => open.size,
    none: async () => {
      if (open.size > 0) await new Promise<void>((done) => waiting.push(done));
    },
  };
}
