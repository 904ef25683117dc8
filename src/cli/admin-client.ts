/** Questions to the running daemon, over the operator's socket. */
import { request } from 'node:http';
import { messageOf } from '../core/errors.js';

/** The socket below the daemon's runtime directory. */
export const adminSocketName = 'admin.sock';

/** A daemon that recovers after a reboot answers only when it has finished. */
const timeoutMs = 60_000;

/** Why the daemon could not be asked, or what it answered instead of what was wanted. */
export class AdminError extends Error {
  override readonly name = 'AdminError';
}

/** @throws {AdminError} */
export function askDaemon<T>(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const call = request({
      socketPath,
      method,
      path,
      timeout: timeoutMs,
      headers: text === undefined ? {} : { 'content-type': 'application/json' },
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs / 1_000} s`)));
    call.on('error', (error) => reject(unreachable(socketPath, error)));
    call.on('response', (response) => {
      let received = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        received += part;
      });
      response.on('error', (error) => reject(unreachable(socketPath, error)));
      response.on('end', () => {
        try {
          const value: unknown = JSON.parse(received);
          if (response.statusCode === 200) resolve(value as T);
          else reject(new AdminError(`the daemon answers: ${errorMessage(value)}`));
        } catch {
          reject(new AdminError(`${socketPath} does not speak as tsbridge does`));
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

function unreachable(socketPath: string, error: NodeJS.ErrnoException): AdminError {
  switch (error.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new AdminError(
        `the daemon does not run: nothing listens on ${socketPath}. Start it (systemctl start ` +
          'tsbridge), or say where it is with --runtime-dir',
      );
    case 'EACCES':
      return new AdminError(`${socketPath} is for root only: try with sudo`);
    default:
      return new AdminError(`asking the daemon on ${socketPath}: ${messageOf(error)}`);
  }
}
