/**
 * The control sockets, in a folder `proxy` of the daemon's runtime folder: all of the latter that a proxy process
 * needs to see. Each process listens on a socket of its own, `1`, `2`, …; `proxy.sock`, beside the folder, is a
 * symbolic link to that of the process that holds the ports. Changing the link, which is one rename(2), hands
 * over from one process to the next: at any time a daemon that starts finds one of the two.
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
import { basename, dirname, join, relative } from 'node:path';

/** Of the link, in the runtime folder. */
export const linkName = 'proxy.sock';
/** Of the folder, beside the link. */
const folderName = 'proxy';
const ownName = /^[1-9]\d*$/;
/** Builds before 0.2.0 had the sockets beside the link. */
const formerName = /^proxy-\d+$/;

export class ControlFolder {
  readonly #runtime: string;
  readonly #folder: string;

  /** @param link path of `proxy.sock` */
  constructor(readonly link: string) {
    this.#runtime = dirname(link);
    this.#folder = join(this.#runtime, folderName);
  }

  /** Makes the folder if it is not there. */
  prepare(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /**
   * A path for the socket of a new process: the number after all that are there, and after that of the link. A
   * retired process has no socket any more, but may still be there under its number, as a unit of systemd.
   */
  unused(): string {
    const names = [...namesIn(this.#folder), basename(this.#target() ?? '')];
    const numbers = names.filter((name) => ownName.test(name)).map(Number);
    return join(this.#folder, String(Math.max(0, ...numbers) + 1));
  }

  /** Every socket of a process but the one that the link leads to. */
  others(): string[] {
    const own = namesIn(this.#folder).filter((name) => ownName.test(name));
    const former = namesIn(this.#runtime).filter((name) => formerName.test(name));
    const current = this.#target();
    return [...own.map((name) => `${folderName}/${name}`), ...former]
      .filter((path) => path !== current)
      .map((path) => join(this.#runtime, path));
  }

  /** Makes the link lead to the socket `path`, whatever was there before. */
  choose(path: string): void {
    const temporary = join(this.#runtime, 'proxy.new');
    removeFile(temporary);
    symlinkSync(relative(this.#runtime, path), temporary);
    renameSync(temporary, this.link);
  }

  /** Where a process that takes over gets the sockets; one at a time. */
  get handover(): string {
    return join(this.#folder, 'give');
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

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/**
 * What a process that ends leaves no trace of: its socket, and the link if it leads there and can be seen (in a
 * unit of its own the process sees nothing but the folder). A link that leads to another process stays.
 *
 * @param socket path of the process's own socket
 */
export function removeOwnFiles(socket: string): void {
  const folder = dirname(socket);
  const link = join(dirname(folder), linkName);
  try {
    if (readlinkSync(link) === join(basename(folder), basename(socket))) unlinkSync(link);
  } catch {
    // There is no link, or it cannot be seen, or a process of an earlier version listens there itself.
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
