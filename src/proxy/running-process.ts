/**
 * Proxy processes that run: who they are, what they say of themselves, and how they are made to go.
 */
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, ProcessId } from '../driver/host.js';
import { ConnectionLost, ControlConnection, dial } from './connection.js';
import type { About } from './control.js';

export interface Processes {
  /** The one that listens at the other end; undefined if the kernel shows none to the daemon. */
  atOtherEnd(socket: net.Socket): Promise<ProcessId | undefined>;
  /** SIGKILL; resolves when it is gone, with false if that cannot be brought about. */
  end(process: ProcessId): Promise<boolean>;
}

export interface Running {
  readonly connection: ControlConnection;
  readonly about: About;
  /** Of the control protocol. */
  readonly version: number;
  /** It was started for this daemon, and holds nothing but what this daemon has told it to. */
  readonly fresh: boolean;
  readonly id: ProcessId | undefined;
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
        // One that is about to end can still take a connection.
        const ending = error instanceof ConnectionLost && !error.silent;
        if (!isSilence(error) && !(ending && attempt < greetings)) throw error;
        if (isSilence(error)) await this.endSilent(id);
        else await sleep(pollMs);
      }
    }
  }

  /** Without a word yet; undefined if no process listens there. */
  async reach(path: string): Promise<Pick<Running, 'connection' | 'id'> | undefined> {
    const socket = await this.#dialPatiently(path);
    if (socket === undefined) return undefined;
    const connection = new ControlConnection(socket, this.#silenceMs);
    return { connection, id: await this.settings.processes.atOtherEnd(socket) };
  }

  /** Version 1 says nothing of itself. */
  async #hello(connection: ControlConnection): Promise<Pick<Running, 'about' | 'version'>> {
    const { version = 1, about } = await connection.ask({ op: 'hello' });
    const { network } = this.settings.own;
    const unknown = { pid: 0, build: 'unknown', node: 'unknown', confined: false };
    return { version, about: about ?? { ...unknown, network } };
  }

  /** A listener whose queue is full (EAGAIN), or a lack of descriptors of our own, may pass. */
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

  /** It gives its ports back, and ends when its last connection has. */
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
