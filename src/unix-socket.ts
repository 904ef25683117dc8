/** The unix sockets on which the engine and the operator find the daemon. */
import { lstat, mkdir, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { codeOf, DriverError } from './core/errors.js';

/** Room in sockaddr_un, unix(7), without the zero at its end. libuv cuts longer paths silently. */
const maxPathBytes = 107;

/** A path of our own, or a listening socket that systemd opened for us. */
export type ListenOn = { readonly path: string } | { readonly fd: number };

/**
 * Listens with mode 0600. A socket file on which no process listens is left over from a crash and
 * goes; one on which a process listens is refused. An inherited socket keeps its file when we stop.
 *
 * @throws DriverError `socket-unavailable`
 */
export async function listenOn(server: Server, where: ListenOn): Promise<void> {
  const name = 'path' in where ? where.path : `inherited file descriptor ${where.fd}`;
  try {
    if ('path' in where) await makeRoom(where.path);
    await listen(server, where);
  } catch (error) {
    if (error instanceof DriverError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DriverError('socket-unavailable', `listening on ${name}: ${reason}`, {
      cause: error,
    });
  }
}

function listen(server: Server, where: ListenOn): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const listening = () => {
      server.off('error', reject);
      resolve();
    };
    if ('fd' in where) {
      server.listen({ fd: where.fd }, listening);
      return;
    }
    // bind() happens inside listen(), so that no other file is made under this mask; a chmod
    // afterwards would leave a moment in which any local user may connect.
    const before = process.umask(0o177);
    try {
      server.listen({ path: where.path }, listening);
    } finally {
      process.umask(before);
    }
  });
}

async function makeRoom(path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxPathBytes) {
    throw new DriverError(
      'socket-unavailable',
      `${path} is longer than the ${maxPathBytes} bytes that a socket's path may have`,
    );
  }
  await mkdir(dirname(path), { recursive: true });
  const existing = await lstat(path).catch(absent);
  if (existing === undefined) return;
  if (!existing.isSocket()) {
    throw new DriverError(
      'socket-unavailable',
      `${path} is not a socket: remove it, or name another path with --socket`,
    );
  }
  if (await isListening(path)) {
    throw new DriverError(
      'socket-unavailable',
      `another process listens on ${path}: stop it, or name another path with --socket`,
    );
  }
  await unlink(path).catch(absent);
}

function absent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  throw error;
}

/** Only a refused connection proves that no process listens. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}
