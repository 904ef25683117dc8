/**
 * Serves the page to browsers by HTTP: it only reads, answers few requests at a time, and gives up connections that
 * stand still.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { answered } from '../../background.js';
import { messageOf } from '../../core/errors.js';
import { problemPage } from '../../operator/page/page.js';
import { listenOn } from '../../unix-socket.js';
import { Access, type Asked } from './access.js';
import { servedHeaders } from './policy.js';

export interface PageAnswer {
  readonly status: number;
  /** A whole document. */
  readonly html: string;
}

/** What the server asks for; each may take seconds. */
export interface PageSource {
  /** The host as it is now. */
  page(): Promise<string>;
  way(query: URLSearchParams): Promise<PageAnswer>;
  /** JSON of one event each, after the one with this id, until the signal. */
  events(since: string, end: AbortSignal): AsyncIterable<string>;
}

export interface PageServing {
  readonly where: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly source: PageSource;
  /** Without a request for this long, and without a page that shows events, serving ends. */
  readonly idleMs: number;
  readonly end: AbortSignal;
  /** Milliseconds after which a connection over which nothing passes is closed; absent: a minute. Tests set it. */
  readonly stuckMs?: number;
  /** Called when it listens. @param url with the token; of a unix socket its path */
  ready(url: string): void;
}

/** Connections at a time; a browser opens up to six. */
const mostConnections = 16;
const mostStreams = 4;
/** Ways of packets that are worked out at a time; each reads all rules of the host. */
const mostWays = 2;
const headersMs = 5_000;
const requestMs = 10_000;
/**
 * Milliseconds after which a connection is closed if nothing passes over it and no answer for it is being worked out.
 */
const usualStuckMs = 60_000;
/**
 * Milliseconds that an answer may take to be worked out; after that its connection counts as one that stands still.
 * Each question that the answer needs has a limit of its own.
 */
const workMs = 15 * 60_000;
const heartbeatMs = 15_000;

/** Ends when the signal does, or when nobody has asked for long. @throws {DriverError} `socket-unavailable` */
export async function servePage(serving: PageServing): Promise<void> {
  const { where, end } = serving;
  const server = createServer({
    headersTimeout: headersMs,
    requestTimeout: requestMs,
    keepAliveTimeout: headersMs,
    connectionsCheckingInterval: 1_000,
    maxHeaderSize: 16 * 1024,
  });
  server.maxConnections = mostConnections;
  const working = new WeakMap<Socket, number>();
  const { stuckMs = usualStuckMs } = serving;
  server.setTimeout(stuckMs, (socket) => {
    const since = working.get(socket);
    if (since === undefined || performance.now() - since > workMs) socket.destroy();
    // A timeout of a socket fires once: without this it would fire again only after something has passed.
    else socket.setTimeout(stuckMs);
  });
  if ('path' in where) await listenOn(server, where);
  else await listen(server, where);
  const ended = new AbortController();
  const stop = (): void => ended.abort();
  end.addEventListener('abort', stop, { once: true });
  if (end.aborted) stop();
  const port = 'path' in where ? undefined : (server.address() as AddressInfo).port;
  const session = new Session(serving, new Access(port), ended, working);
  server.on('request', (request, response) => session.take(request, response));
  serving.ready('path' in where ? where.path : session.url(where.host, port));
  try {
    await session.ended;
  } finally {
    end.removeEventListener('abort', stop);
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(new Error(`listening on ${host}:${port}: ${messageOf(error)}`, { cause: error }));
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

class Session {
  readonly ended: Promise<void>;
  /** The page that is being made; requests that come meanwhile get the same one. */
  #page: Promise<string> | undefined;
  #streams = 0;
  #ways = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(
    private readonly serving: PageServing,
    private readonly access: Access,
    private readonly stop: AbortController,
    /** Connections whose answers are being worked out, and since when. */
    private readonly working: WeakMap<Socket, number>,
  ) {
    const { signal } = stop;
    this.ended = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    }).then(() => clearTimeout(this.#idle));
    this.#used();
  }

  url(host: string, port: number | undefined): string {
    const bare = host.includes(':') ? `[${host}]` : host;
    return `http://${bare}:${port}/?token=${this.access.token}`;
  }

  /** Never rejects. */
  take(request: IncomingMessage, response: ServerResponse): void {
    // No request needs a body: Node.js reads and discards it, or the connection would stand still.
    request.resume();
    answered(this.#answer(request, response), (error: unknown) => {
      if (response.headersSent) response.destroy();
      else send(response, 503, problemPage('It could not be found out', messageOf(error)));
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const decision = this.access.decide(askedBy(request));
    if (decision.kind === 'refuse') {
      const { status, words } = decision;
      send(response, status, problemPage('Refused', words), status === 405 ? allow : {});
      return;
    }
    this.#used();
    if (decision.kind === 'welcome') {
      const headers = { location: '/', 'set-cookie': decision.cookie };
      send(response, 303, problemPage('Welcome', 'The page is at /'), headers);
      return;
    }
    switch (decision.path) {
      case '/':
        send(response, 200, await this.#work(request, () => this.#pageNow()));
        return;
      case '/path':
        await this.#way(request, response, decision.query);
        return;
      case '/events':
        await this.#follow(request, response, decision.query);
        return;
      default:
        send(response, 404, problemPage('Not found', 'There is no such page.'));
    }
  }

  #pageNow(): Promise<string> {
    this.#page ??= this.serving.source.page().finally(() => {
      this.#page = undefined;
    });
    return this.#page;
  }

  /** Works out an answer. Meanwhile the connection is not closed for standing still. */
  async #work<Answer>({ socket }: IncomingMessage, answer: () => Promise<Answer>): Promise<Answer> {
    this.working.set(socket, performance.now());
    try {
      return await answer();
    } finally {
      this.working.delete(socket);
    }
  }

  async #way(
    request: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
  ): Promise<void> {
    if (this.#ways >= mostWays) {
      const words = 'Other ways are being followed at the moment: try again.';
      send(response, 503, problemPage('Busy', words), { 'retry-after': '2' });
      return;
    }
    this.#ways += 1;
    try {
      const { source } = this.serving;
      const { status, html } = await this.#work(request, () => source.way(query));
      send(response, status, html);
    } finally {
      this.#ways -= 1;
    }
  }

  /**
   * Events as they happen (text/event-stream); a reader who is slow makes the daemon wait, and nothing is kept for it.
   */
  async #follow(
    request: IncomingMessage,
    response: ServerResponse,
    query: URLSearchParams,
  ): Promise<void> {
    if (request.method === 'HEAD' || this.#streams >= mostStreams) {
      send(response, request.method === 'HEAD' ? 200 : 503, '');
      return;
    }
    const last = request.headers['last-event-id'];
    const since = String(last ?? query.get('since') ?? '');
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    this.stop.signal.addEventListener('abort', () => gone.abort(), { signal: gone.signal });
    this.#streams += 1;
    const heart = setInterval(() => {
      if (!response.writableNeedDrain) response.write(': still here\n\n');
    }, heartbeatMs);
    try {
      const { 'content-security-policy': _, ...headers } = servedHeaders;
      response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8' });
      response.flushHeaders();
      for await (const event of this.serving.source.events(since, gone.signal)) {
        if (!response.write(event)) await drained(response, gone.signal);
        if (gone.signal.aborted) break;
      }
    } finally {
      clearInterval(heart);
      this.#streams -= 1;
      this.#used();
      response.end();
    }
  }

  #used(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#streams > 0) this.#used();
      else this.stop.abort();
    }, this.serving.idleMs);
  }
}

const allow = { allow: 'GET, HEAD' };

function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (gone.aborted) resolve();
    response.once('drain', resolve);
    gone.addEventListener('abort', () => resolve(), { once: true });
  });
}

function askedBy({ method = '', url = '', headersDistinct }: IncomingMessage): Asked {
  return { method, target: url, header: (name) => headersDistinct[name] ?? [] };
}

/** Node.js leaves the body out where a HEAD request was made. */
function send(
  response: ServerResponse,
  status: number,
  html: string,
  more: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(html);
  response.writeHead(status, {
    ...servedHeaders,
    'content-type': 'text/html; charset=utf-8',
    'content-length': body.length,
    ...more,
  });
  response.end(body);
}
