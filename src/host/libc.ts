/**
 * System calls that Node does not offer, by foreign function calls into the libc that the process
 * has loaded already (glibc or musl).
 */
import { getSystemErrorMap } from 'node:util';
import koffi from 'koffi';

/** A system call that failed. */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  constructor(
    readonly syscall: string,
    /** `EINVAL`, … */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** All of them act on the calling thread at once; they throw {@link SystemCallError}. */
export interface Libc {
  /** Moves the calling thread into the network namespace that this descriptor is of. */
  setNetworkNamespace(fd: number): void;
  /**
   * Locks the open file for this process alone, without waiting; false if another holds the lock.
   * The lock goes when the descriptor is closed, so with the process at the latest.
   */
  tryLockFile(fd: number): boolean;
}

const cloneNewNet = 0x40000000;
const lockExclusiveNonBlocking = 2 | 4;

export function loadLibc(): Libc {
  const library = koffi.load(null);
  const setns = library.func('int setns(int fd, int nstype)');
  const flock = library.func('int flock(int fd, int operation)');

  return {
    setNetworkNamespace(fd) {
      if (setns(fd, cloneNewNet) !== 0) throw lastError('setns');
    },
    tryLockFile(fd) {
      if (flock(fd, lockExclusiveNonBlocking) === 0) return true;
      const error = lastError('flock');
      if (error.code === 'EAGAIN') return false;
      throw error;
    },
  };
}

function lastError(syscall: string): SystemCallError {
  const errno = koffi.errno();
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  return new SystemCallError(syscall, code, `${syscall}: ${text} (${code})`);
}
