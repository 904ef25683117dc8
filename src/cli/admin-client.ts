/** Asks the running daemon, over the operators' socket. */
import { request } from 'node:http';
import { messageOf } from '../core/errors.js';

/** Name of the socket in the daemon's runtime directory. */
export const adminSocketName = 'admin.sock';

/** The daemon could not be asked, or answered with an error. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
  /**
   * @param reached false: the daemon did not answer, so that only its records can be read
   * @param why `absent`: nobody listens; `forbidden`: the socket is not for this user
   */
  constructor(
    message: string,
    readonly reached: boolean,
    readonly why?: 'absent' | 'forbidden',
  ) {
    super(message);
  }
}

export interface DaemonAddress {
  readonly runtimeDir: string;
  /** Milliseconds after which a daemon that does not answer is given up. */
  readonly timeoutMs: number;
}

/** @throws {AdminError} */
export function askDaemon<T>(
  { runtimeDir, timeoutMs }: DaemonAddress,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<T> {
  const socketPath = `${runtimeDir}/${adminSocketName}`;
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const call = request({
      socketPath,
      method,
      path,
      timeout: timeoutMs,
      agent: false,
      headers: text === undefined ? {} : { 'content-type': 'application/json' },
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)));
    call.on('error', (error) => reject(unreachable(socketPath, error)));
    call.on('response', (response) => {
      const received: Buffer[] = [];
      response.on('data', (part: Buffer) => received.push(part));
      response.on('error', (error) => reject(unreachable(socketPath, error)));
      response.on('end', () => {
        try {
          const value: unknown = JSON.parse(Buffer.concat(received).toString());
          if (response.statusCode === 200) resolve(value as T);
          else reject(new AdminError(`the daemon answers: ${errorMessage(value)}`, true));
        } catch {
          reject(new AdminError(`${socketPath} does not speak as tsbridge does`, true));
        }
      });
    });
    call.end(text);
  });
}

function errorMessage(value: unknown): string {
  const { error } = value as { error?: { message?: unknown } };
  return String(error?.message ?? JSON.stringify(value));
}

export function unreachable(socketPath: string, error: NodeJS.ErrnoException): AdminError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new AdminError(
        `the daemon does not run: nothing listens on ${socketPath}. Start it (systemctl start ` +
          'tsbridge), or say where it is with --runtime-dir',
        false,
        'absent',
      );
    case 'EACCES':
      return new AdminError(`${socketPath} is for root only: try with sudo`, false, 'forbidden');
    default:
      return new AdminError(`asking the daemon on ${socketPath}: ${messageOf(error)}`, false);
  }
}
