/**
 * What is in containers, without entering them: their processes by the network namespace, and the sockets and
 * interfaces that /proc/PID/net shows of it. For commands of root; the daemon may not look at other processes.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import {
  type OpenSocket,
  parseInterfaceNames,
  parseSctpEndpoints,
  parseSockets,
} from '../../codec/proc-net.js';

export interface Inside {
  readonly sockets: readonly OpenSocket[];
  /** By index. */
  readonly interfaces: ReadonlyMap<number, string>;
  /** The program that holds a socket; undefined: it ended, or may not be looked at. */
  programOf(socket: OpenSocket): Program | undefined;
}

export interface Program {
  readonly pid: number;
  /** The first 15 characters of its name. */
  readonly name: string;
}

/** Looks into one namespace after the other; each is read once. */
export class Containers {
  #processes: ReadonlyMap<number, readonly number[]> | undefined;
  readonly #known = new Map<number, Inside | undefined>();

  constructor(private readonly proc = '/proc') {}

  /**
   * @param sandbox path of the namespace, as the engine gives it
   * @returns undefined if the namespace is not there, or nobody is in it
   */
  at(sandbox: string): Inside | undefined {
    const inode = inodeOf(sandbox);
    if (inode === undefined) return undefined;
    if (!this.#known.has(inode)) {
      this.#processes ??= this.#byNamespace();
      this.#known.set(inode, this.#look(this.#processes.get(inode) ?? []));
    }
    return this.#known.get(inode);
  }

  #byNamespace(): Map<number, number[]> {
    const found = new Map<number, number[]>();
    for (const name of readdirSync(this.proc)) {
      if (!/^\d+$/.test(name)) continue;
      const inode = inodeOf(`${this.proc}/${name}/ns/net`);
      if (inode === undefined) continue;
      const pids = found.get(inode);
      if (pids === undefined) found.set(inode, [Number(name)]);
      else pids.push(Number(name));
    }
    return found;
  }

  #look(pids: readonly number[]): Inside | undefined {
    for (const pid of pids) {
      const read = (name: string) => textOf(`${this.proc}/${pid}/net/${name}`);
      const tcp = read('tcp');
      // It has ended meanwhile: another process of the container may be there.
      if (tcp === undefined) continue;
      const sockets = [
        ...parseSockets('tcp', tcp),
        ...parseSockets('tcp', read('tcp6') ?? ''),
        ...parseSockets('udp', read('udp') ?? ''),
        ...parseSockets('udp', read('udp6') ?? ''),
        ...parseSctpEndpoints(read('sctp/eps') ?? ''),
      ];
      let holders: ReadonlyMap<string, number> | undefined;
      return {
        sockets,
        interfaces: parseInterfaceNames(read('igmp') ?? '', read('if_inet6') ?? ''),
        programOf: ({ inode }) => {
          holders ??= this.#holders(pids, new Set(sockets.map((socket) => socket.inode)));
          const holder = holders.get(inode);
          const name = holder && textOf(`${this.proc}/${holder}/comm`)?.trimEnd();
          return holder && name ? { pid: holder, name } : undefined;
        },
      };
    }
    return undefined;
  }

  /** The first process that has each of the sockets open; ends when all are found. */
  #holders(pids: readonly number[], inodes: ReadonlySet<string>): Map<string, number> {
    const found = new Map<string, number>();
    for (const pid of pids) {
      for (const fd of namesIn(`${this.proc}/${pid}/fd`)) {
        if (found.size === inodes.size) return found;
        const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`${this.proc}/${pid}/fd/${fd}`))?.[1];
        if (inode !== undefined && inodes.has(inode) && !found.has(inode)) found.set(inode, pid);
      }
    }
    return found;
  }
}

/** Whatever cannot be read has gone, or is not ours to see: both mean that it is not shown. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

const inodeOf = (path: string) => attempt(() => statSync(path).ino);
const textOf = (path: string) => attempt(() => readFileSync(path, 'utf8'));
const namesIn = (path: string) => attempt(() => readdirSync(path)) ?? [];
const linkOf = (path: string) => attempt(() => readlinkSync(path)) ?? '';
