/**
 * The control sockets in the daemon's runtime folder. Each proxy process listens on one of its own,
 * `proxy-1`, `proxy-2`, …; `proxy.sock` is a symbolic link to that of the process that holds the ports.
 * Changing the link, which is one rename(2), hands over from one process to the next: at any time a
 * daemon that starts finds one of the two.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Of the link, in the runtime folder. */
export const linkName = 'proxy.sock';
const ownName = /^proxy-\d+$/;

export class ControlFolder {
  readonly #folder: string;

  /** @param link path of `proxy.sock` */
  constructor(readonly link: string) {
    this.#folder = dirname(link);
  }

  /** Makes the folder if it is not there. */
  prepare(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** A path for the socket of a new process, with a number that no socket in the folder has. */
  unused(): string {
    const names = new Set(this.#names());
    for (let number = 1; ; number += 1) {
      const name = `proxy-${number}`;
      if (!names.has(name)) return join(this.#folder, name);
    }
  }

  /** Every socket of a process but the one that the link leads to. */
  others(): string[] {
    const current = this.#target();
    return this.#names()
      .filter((name) => ownName.test(name) && name !== current)
      .map((name) => join(this.#folder, name));
  }

  /** Makes the link lead to the socket `path`, whatever was there before. */
  choose(path: string): void {
    const temporary = join(this.#folder, 'proxy.new');
    removeFile(temporary);
    symlinkSync(basename(path), temporary);
    renameSync(temporary, this.link);
  }

  /** Where a process that takes over gets the sockets; one at a time. */
  get handover(): string {
    return join(this.#folder, 'handover');
  }

  #names(): string[] {
    return existsSync(this.#folder) ? readdirSync(this.#folder) : [];
  }

  /** undefined: there is no link, or a process of an earlier version listens there itself. */
  #target(): string | undefined {
    try {
      return readlinkSync(this.link);
    } catch {
      return undefined;
    }
  }
}

/**
 * What a process that ends leaves no trace of: its socket, and the link if it leads there. A link that leads
 * to another process stays.
 *
 * @param socket path of the process's own socket
 */
export function removeOwnFiles(socket: string): void {
  const link = join(dirname(socket), linkName);
  try {
    if (readlinkSync(link) === basename(socket)) unlinkSync(link);
  } catch {
    // There is no link, or a process of an earlier version listens there itself.
  }
  removeFile(socket);
}

/** It is no error if there is none. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
