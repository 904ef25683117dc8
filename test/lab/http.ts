/**
 * HTTP over a unix socket, without a client library: what the engine's and the driver's sockets
 * need, with nothing between the request and the clock.
 */
import { Agent, request } from 'node:http';

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

export class UnixHttp {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** The parsed JSON answer (or its text); a status of 400 and more throws {@link ApiError}. */
  call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      const outgoing = request(
        {
          socketPath: this.#socketPath,
          agent: this.#agent,
          method,
          path,
          headers: {
            host: 'localhost',
            'content-length': Buffer.byteLength(text),
            ...(text === '' ? {} : { 'content-type': 'application/json' }),
          },
        },
        (answer) => {
          let received = '';
          answer.setEncoding('utf8').on('data', (part: string) => {
            received += part;
          });
          answer.once('end', () => {
            const value = parse(received);
            const status = answer.statusCode ?? 0;
            if (status < 400) resolve(value as T);
            else reject(new ApiError(status, messageOf(value) ?? received));
          });
          answer.once('error', reject);
        },
      );
      outgoing.once('error', reject);
      outgoing.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** dockerd's `{"message"}` or a plugin's `{"Err"}`. */
function messageOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { message, Err } = value as { message?: unknown; Err?: unknown };
  return typeof message === 'string' ? message : typeof Err === 'string' ? Err : undefined;
}
