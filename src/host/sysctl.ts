/** Values below /proc/sys of the daemon's own network namespace. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, DriverError, messageOf } from '../core/errors.js';
import type { SysctlPath } from '../core/network/sysctls.js';
import type { Sysctls } from '../driver/host.js';

/**
 * Reads and writes synchronously: the kernel answers from memory in 6 µs, where a trip through the
 * thread pool takes 100 µs. Nothing here waits for a disk.
 */
export class SysctlFiles implements Sysctls {
  /** @param root `/proc/sys`, or a folder made like it for tests */
  constructor(private readonly root = '/proc/sys') {}

  async read(path: SysctlPath): Promise<string | undefined> {
    try {
      return this.#read(path);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw failed(`reading /proc/sys/${path}`, error);
    }
  }

  /** A value that is there already is not written again: some files act on every write. */
  async write(path: SysctlPath, value: string): Promise<boolean> {
    try {
      if (this.#read(path) !== value) writeFileSync(join(this.root, path), value, { flag: 'r+' });
      return true;
    } catch (error) {
      if (isAbsent(error)) return false;
      throw failed(`setting /proc/sys/${path} to ${value}`, error);
    }
  }

  #read(path: SysctlPath): string {
    return readFileSync(join(this.root, path), 'utf8').trim();
  }
}

function isAbsent(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

function failed(action: string, error: unknown): DriverError {
  const readOnly = codeOf(error) === 'EROFS' || codeOf(error) === 'EACCES';
  const hint = readOnly
    ? ': the daemon needs a writable /proc/sys (in a container: run it privileged)'
    : '';
  const message = `${action}: ${messageOf(error)}${hint}`;
  return new DriverError('sysctl-failed', message, { cause: error });
}
