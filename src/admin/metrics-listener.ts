/**
 * Metrics for a Prometheus on another host (`--metrics-listen`): HTTP, `GET /metrics` and nothing else, without
 * a password, for few connections at a time. Whoever reaches it can only read numbers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { background } from '../background.js';
import { messageOf } from '../core/errors.js';
import type { Log } from '../driver/host.js';
import { metricsContentType } from '../operator/metrics/content-type.js';

export interface Place {
  readonly address: string;
  readonly port: number;
}

const mostConnections = 16;
const headersMs = 5_000;
const idleMs = 5_000;
const maxHeaderBytes = 4_096;

export class MetricsListener {
  readonly #server: Server;
  /** Why nobody can connect, in words. */
  #problem: string | undefined;

  constructor(
    private readonly place: Place,
    private readonly text: () => Promise<string>,
    private readonly log: Log,
  ) {
    const server = createServer(
      {
        headersTimeout: headersMs,
        requestTimeout: headersMs,
        keepAliveTimeout: idleMs,
        maxHeaderSize: maxHeaderBytes,
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => {
        background(log, 'answering a request for metrics', this.#answer(request, response));
      },
    );
    server.maxConnections = mostConnections;
    server.unref();
    this.#server = server;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** The port that was given for 0; for tests. */
  get port(): number | undefined {
    const address = this.#server.address();
    return address === null || typeof address === 'string' ? undefined : address.port;
  }

  /** Resolves when it listens, or when it is known that it cannot: calls of engines are served all the same. */
  start(): Promise<void> {
    const { address, port } = this.place;
    return new Promise((resolve) => {
      const failed = (error: Error): void => {
        const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
        this.#problem = `metrics are not served on ${at} (--metrics-listen): ${messageOf(error)}`;
        this.log.error({ error }, this.#problem);
        resolve();
      };
      this.#server.once('error', failed);
      this.#server.listen({ host: address, port, ipv6Only: true }, () => {
        this.#server.off('error', failed);
        this.#server.on('error', (error) => this.log.warn({ error }, 'the listener for metrics'));
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, text: string): void => {
      // A body that nobody asked for is not read.
      response.shouldKeepAlive = false;
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
    };
    const [path] = (request.url ?? '').split('?', 1);
    if (path !== '/metrics') return refuse(404, 'GET /metrics\n');
    if (request.method !== 'GET') return refuse(405, 'GET /metrics\n');
    try {
      const text = await this.text();
      response
        .writeHead(200, { 'content-type': metricsContentType, 'cache-control': 'no-store' })
        .end(text);
    } catch (error) {
      refuse(500, 'metrics could not be read; see the log of tsbridge\n');
      throw error;
    }
  }
}
