/** Which user is at the other end of a connection. */
import type { Socket } from 'node:net';
import type { Libc } from './libc.js';
import { descriptorOf } from './processes.js';

/** undefined if the connection is closed, or the kernel does not say. */
export function userAtOtherEnd(libc: Pick<Libc, 'peerUser'>, socket: Socket): number | undefined {
  const fd = descriptorOf(socket);
  if (fd === undefined) return undefined;
  try {
    return libc.peerUser(fd);
  } catch {
    return undefined;
  }
}
