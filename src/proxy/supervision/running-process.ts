/**
 * Proxy processes that run: which process it is, what it says of itself, and how to make it end.
 */
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, ProcessId } from '../../driver/host.js';
import type { About } from '../control.js';
import { ConnectionLost, ControlConnection, dial } from './connection.js';

export interface Processes {
  /** The process that listens on the socket; undefined if it is in a PID namespace that the daemon cannot see. */
  atOtherEnd(socket: net.Socket): Promise<ProcessId | undefined>;
  /** SIGKILL; resolves when it is gone, with false if that cannot be brought about. */
  end(process: ProcessId): Promise<boolean>;
}

export interface Running {
  readonly connection: ControlConnection;
  readonly about: About;
  /** Of the control protocol. */
  readonly version: number;
  /** true: this daemon has started it, so it holds only what this daemon has asked for. */
  readonly fresh: boolean;
  readonly id: ProcessId | undefined;
  /**
   * Ends the service of a process that cannot hand its sockets over, whose place this one takes. To
   * be called when all that is wanted is known, since no process holds the ports until they are stated to the new one.
   */
  readonly takeOver?: () => Promise<void>;
}

/** A publish of 60,000 ports, on a machine under load, takes a third of it. */
const defaultSilenceMs = 8_000;
const pollMs = 15;
const greetings = 10;

export interface RunningSettings {
  readonly processes: Processes;
  readonly own: Pick<About, 'network'>;
  /** How long a process may say nothing, in place of 8 s; for tests. */
  readonly silenceMs?: number;
  readonly log: Log;
}

export class RunningProcesses {
  readonly #silenceMs: number;

  constructor(private readonly settings: RunningSettings) {
    this.#silenceMs = settings.silenceMs ?? defaultSilenceMs;
  }

  /** undefined if no process listens there, or a process did that hung and has been ended. */
  async greet(path: string): Promise<Running | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const reached = await this.reach(path);
      if (reached === undefined) return undefined;
      const { connection, id } = reached;
      try {
        return { connection, id, fresh: false, ...(await this.#hello(connection)) };
      } catch (error) {
        connection.close();
        // A process that is ending can still accept a connection, and then close it.
        const ending = error instanceof ConnectionLost && !error.silent;
        if (!isSilence(error) && !(ending && attempt < greetings)) throw error;
        if (isSilence(error)) await this.endSilent(id);
        else await sleep(pollMs);
      }
    }
  }

  /** A connection on which nothing was sent yet; undefined if no process listens there. */
  async reach(path: string): Promise<Pick<Running, 'connection' | 'id'> | undefined> {
    const socket = await this.#dialPatiently(path);
    if (socket === undefined) return undefined;
    const connection = new ControlConnection(socket, this.#silenceMs);
    return { connection, id: await this.settings.processes.atOtherEnd(socket) };
  }

  /** Asks for its version and {@link About}; a process of version 1 does not tell the latter. */
  async #hello(connection: ControlConnection): Promise<Pick<Running, 'about' | 'version'>> {
    const { version = 1, about } = await connection.ask({ op: 'hello' });
    const { network } = this.settings.own;
    const unknown = { pid: 0, build: 'unknown', node: 'unknown', confined: false };
    return { version, about: about ?? { ...unknown, network } };
  }

  /** Tries again while the process's queue is full (EAGAIN) or the daemon lacks descriptors. */
  async #dialPatiently(path: string): Promise<net.Socket | undefined> {
    const latest = performance.now() + this.#silenceMs;
    for (;;) {
      try {
        return await dial(path);
      } catch (error) {
        if (performance.now() > latest) throw error;
        await sleep(pollMs * 4);
      }
    }
  }

  /** Has the process close its ports; it ends when its last connection has ended. */
  async retire({ connection, id }: Pick<Running, 'connection' | 'id'>): Promise<void> {
    try {
      await connection.ask({ op: 'retire' });
    } catch (error) {
      if (!isSilence(error)) throw error;
      await this.endSilent(id);
    } finally {
      connection.close();
    }
  }

  /** Ends a process that does not answer. Throws if it is there afterwards. */
  async endSilent(id: ProcessId | undefined): Promise<void> {
    if (id === undefined) {
      throw new Error('it does not answer, and which process it is cannot be told');
    }
    this.settings.log.error({ process: id }, 'the proxy process does not answer: ending it');
    if (await this.settings.processes.end(id)) return;
    throw new Error(`it does not answer and cannot be ended (process ${id})`);
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof ConnectionLost && error.silent;
}
