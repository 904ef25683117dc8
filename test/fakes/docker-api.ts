/** A socket that answers as Docker's engine does, or in whatever wrong way a test wants. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export class DockerApi {
  /** Path and query of what was asked, in order; each with its verb. */
  readonly asked: string[] = [];
  /** How many requests were open at the same time, at most. */
  most = 0;
  readonly #answers = new Map<string, Answer>();
  #open = 0;

  private constructor(
    readonly path: string,
    private readonly folder: string,
    private readonly server: ReturnType<typeof createServer>,
  ) {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const [path = ''] = (request.url ?? '').split('?');
      this.asked.push(`${request.method} ${decodeURIComponent(request.url ?? '')}`);
      this.#open += 1;
      this.most = Math.max(this.most, this.#open);
      response.on('close', () => {
        this.#open -= 1;
      });
      const answer = this.#answers.get(path.replace(/^\/v[\d.]+/, ''));
      if (answer === undefined) response.writeHead(404).end('{"message":"page not found"}');
      else answer(response, request);
    });
    this.json('/_ping', 'OK');
  }

  static async start(): Promise<DockerApi> {
    const folder = await mkdtemp(join(tmpdir(), 'tsbridge-api-'));
    const path = join(folder, 'docker.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return new DockerApi(path, folder, server);
  }

  /** Path without version and query. */
  on(path: string, answer: Answer): this {
    this.#answers.set(path, answer);
    return this;
  }

  json(path: string, body: unknown): this {
    return this.on(path, (response) => {
      const isText = body === 'OK';
      response.writeHead(200, {
        'api-version': '1.41',
        'content-type': isText ? 'text/plain' : 'application/json',
      });
      response.end(isText ? body : JSON.stringify(body));
    });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    await rm(this.folder, { recursive: true, force: true });
  }
}
