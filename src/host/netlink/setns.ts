/** Work inside of another network namespace, for as long as a synchronous function runs. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { messageOf } from '../../core/errors.js';
import type { Libc } from '../process/libc.js';

/**
 * Runs `work` with the calling thread in the namespace that `fd` is of, and comes back. `work` must
 * be synchronous: whatever ran in between would be in the wrong namespace. What it opens there (a
 * netlink socket) stays bound to that namespace, and can be used later from ours.
 *
 * If the way back fails, the process is aborted: everything it did from then on would happen to a
 * container instead of the host.
 *
 * @throws {SystemCallError} if the thread cannot enter, with `EINVAL` if `fd` is no network namespace
 */
export function insideNamespace<T>(libc: Libc, fd: number, work: () => T): T {
  // Of the thread, not of the process: they differ in a worker.
  const own = openSync('/proc/thread-self/ns/net', 'r');
  try {
    libc.setNetworkNamespace(fd);
    try {
      return work();
    } finally {
      comeBack(libc, own);
    }
  } finally {
    closeSync(own);
  }
}

function comeBack(libc: Libc, own: number): void {
  try {
    libc.setNetworkNamespace(own);
  } catch (error) {
    writeSync(2, `tsbridge cannot return to its network namespace: ${messageOf(error)}\n`);
    process.abort();
  }
}
