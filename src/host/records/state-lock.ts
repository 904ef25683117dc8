/**
 * One daemon for a state folder, by an exclusive flock(2) on a file in it.
 *
 * The kernel lets the lock go when the process ends, however it ends, so that there is no stale
 * lock to detect, and no process id that may meanwhile be another's. An abstract unix socket would
 * do that too, but belongs to a network namespace instead of the folder: two daemons in different
 * containers that mount the same folder would not see each other.
 */
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, DriverError, messageOf } from '../../core/errors.js';
import type { Libc } from '../process/libc.js';

/** A folder that only one daemon may use. */
interface Lockable {
  /** The lock's; two kinds of folders may be the same folder. */
  readonly fileName: string;
  /** By which flag a daemon is given another one. */
  readonly flag: string;
}

const state: Lockable = { fileName: 'daemon.lock', flag: '--state-dir' };
/** Two daemons would share, and take from each other, the process that holds published ports. */
export const runtime: Lockable = { fileName: 'runtime.lock', flag: '--runtime-dir' };

export interface StateLock {
  /** false if its file was removed or replaced: another daemon could lock the new one. */
  isHeld(): Promise<boolean>;
  /** For an orderly stop; the kernel also releases the lock of a process that ends without it. */
  release(): Promise<void>;
}

/**
 * @throws {DriverError} `state-locked`, naming the process that holds the folder, or
 * `record-failed` if the folder cannot be used
 */
export async function lockState(
  stateDir: string,
  libc: Libc,
  { fileName, flag }: Lockable = state,
): Promise<StateLock> {
  const path = join(stateDir, fileName);
  try {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const file = await openLock(path);
    try {
      if (!libc.tryLockFile(file.fd)) {
        throw taken(stateDir, flag, await file.readFile('utf8'));
      }
      await writePid(file);
    } catch (error) {
      await file.close();
      throw error;
    }
    return { isHeld: () => isSameFile(file, path), release: () => file.close() };
  } catch (error) {
    if (error instanceof DriverError) throw error;
    const message = `taking ${path}: ${messageOf(error)}`;
    throw new DriverError('record-failed', message, { cause: error });
  }
}

/** Falls back to reading on a read-only disk: networks on record can be served from there. */
async function openLock(path: string): Promise<FileHandle> {
  try {
    // Node opens with O_CLOEXEC: no child inherits the lock and keeps it.
    return await open(path, 'a+', 0o600);
  } catch (error) {
    if (codeOf(error) !== 'EROFS') throw error;
    return await open(path, 'r').catch(() => {
      throw error;
    });
  }
}

/** The process id is only for the error message of a second daemon, so a full disk is no failure here. */
async function writePid(file: FileHandle): Promise<void> {
  try {
    await file.truncate(0);
    await file.write(`${process.pid}\n`);
  } catch (error) {
    if (!['ENOSPC', 'EDQUOT', 'EROFS', 'EBADF', 'EINVAL'].includes(String(codeOf(error))))
      throw error;
  }
}

function taken(stateDir: string, flag: string, content: string): DriverError {
  const pid = /^\d+/.exec(content)?.[0];
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  return new DriverError(
    'state-locked',
    `starting on ${stateDir}: ${holder} uses this folder already; stop that tsbridge first, ` +
      `or give this one another folder with ${flag}`,
  );
}

async function isSameFile(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [own, there] = await Promise.all([file.stat(), stat(path)]);
    return own.dev === there.dev && own.ino === there.ino;
  } catch {
    return false;
  }
}
