/** Which process is at the other end of a connection, whether that one has ended, and how to end it. */
import { readFile, readlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { kill } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, Processes, ProcessId } from '../../driver/host.js';
import type { Libc } from './libc.js';

/** A process that sleeps in the kernel (state D) can take its time to end. */
const endTimeoutMs = 5_000;
const pollMs = 10;
/** Stands for the pid and start of a process that /proc does not show. */
const unknown = '0 0';

export class ProcessFiles implements Processes {
  /** Boot and PID namespace: a number means nothing in another one. */
  #here: Promise<string> | undefined;

  constructor(
    private readonly libc: Pick<Libc, 'peerProcess'>,
    private readonly log: Log,
    private readonly root = '/proc',
  ) {}

  /**
   * Call it while the socket is open: after that its descriptor can be another file's. Of a process in another
   * PID namespace only the boot is known; undefined if not even that.
   */
  async atOtherEnd(socket: Socket): Promise<ProcessId | undefined> {
    try {
      return await this.identify(this.pidAtOtherEnd(socket));
    } catch (error) {
      this.log.warn({ error }, 'the process that calls could not be found out');
      return undefined;
    }
  }

  /** The same as a number, while the socket is open; 0 for a process in another PID namespace. */
  pidAtOtherEnd(socket: Socket): number {
    const fd = descriptorOf(socket);
    return fd === undefined ? 0 : this.libc.peerProcess(fd);
  }

  async identify(pid: number): Promise<ProcessId> {
    return `${await this.#whereabouts()} ${await this.#describe(pid)}` as ProcessId;
  }

  async isOfEarlierBoot(process: ProcessId): Promise<boolean> {
    const [boot] = (await this.#whereabouts()).split(' ');
    return process.split(' ')[0] !== boot;
  }

  async isGone(process: ProcessId): Promise<boolean> {
    const [boot, namespace, pid, start] = process.split(' ');
    const [thisBoot, ownNamespace] = (await this.#whereabouts()).split(' ');
    if (boot !== thisBoot) return true;
    if (namespace !== ownNamespace || !/^[1-9]\d*$/.test(pid ?? '')) return false;
    try {
      return startOf(await readFile(`${this.root}/${pid}/stat`, 'latin1')) !== start;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      return code === 'ENOENT' || code === 'ESRCH';
    }
  }

  /** SIGKILL; resolves when it is gone, with false if that cannot be brought about. */
  async end(process: ProcessId): Promise<boolean> {
    if (await this.isGone(process)) return true;
    const [, namespace, pid = ''] = process.split(' ');
    const [, ownNamespace] = (await this.#whereabouts()).split(' ');
    if (namespace !== ownNamespace || !/^[1-9]\d*$/.test(pid)) return false;
    try {
      kill(Number(pid), 'SIGKILL');
    } catch {
      return this.isGone(process);
    }
    for (const latest = performance.now() + endTimeoutMs; ; await sleep(pollMs)) {
      if (await this.isGone(process)) return true;
      if (performance.now() > latest) return false;
    }
  }

  async #describe(pid: number): Promise<string> {
    if (pid <= 0) return unknown;
    const start = startOf(await readFile(`${this.root}/${pid}/stat`, 'latin1'));
    return start === undefined ? unknown : `${pid} ${start}`;
  }

  async #whereabouts(): Promise<string> {
    this.#here ??= Promise.all([
      readFile(`${this.root}/sys/kernel/random/boot_id`, 'latin1'),
      readlink(`${this.root}/self/ns/pid`),
    ]).then(([boot, namespace]) => `${boot.trim()} ${namespace}`);
    return this.#here;
  }
}

/**
 * When the process began, in the kernel's ticks since the boot: field 22 of proc(5). The second field
 * is its name, which may hold spaces and brackets. A zombie counts as ended.
 */
function startOf(stat: string): string | undefined {
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? undefined : rest[18];
}

/** Node.js has it on its handle, and no other way to it. undefined once the socket is closed. */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: unknown } | null };
  const fd = handle?.fd;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
