/** Docker's engine, asked by its HTTP API. */
import type { Socket } from 'node:net';
import {
  readContainer,
  readEvent,
  readInfo,
  readNetwork,
  readPid,
} from '../../codec/docker-answers.js';
import type { EngineContainer, EngineEvent, EngineNetwork } from '../../core/engine-lists.js';
import type { ContainerId } from '../../core/names.js';
import {
  type Engine,
  type EngineIdentity,
  EngineSilent,
  type EngineWatch,
} from '../../driver/engine.js';
import type { ProcessId } from '../../driver/host.js';
import { DockerSocket, type Limits } from './docker-socket.js';

/** A process of the engine, and how long it has run. */
export interface Behind {
  readonly process: ProcessId;
  readonly upMs: number;
}

/** Tells which process answers. */
export interface EngineProcesses {
  /** The one behind this connection; undefined if that cannot be told. */
  engineBehind(socket: Socket): Promise<Behind | undefined>;
}

/** More of them than any host has; beyond, memory would be the engine's to decide. */
const mostObjects = 20_000;

/** Events that can change what containers and networks are called, and who is connected. */
const events = JSON.stringify({
  type: ['container', 'network'],
  event: ['create', 'start', 'die', 'destroy', 'rename', 'connect', 'disconnect', 'remove'],
});

export class DockerEngine implements Engine {
  readonly #socket: DockerSocket;
  #version: Promise<string> | undefined;
  #info: Omit<EngineIdentity, 'upMs'> | undefined;

  constructor(
    path: string,
    private readonly processes?: EngineProcesses,
    limits?: Limits,
  ) {
    this.#socket = new DockerSocket(path, limits);
  }

  get questions() {
    return this.#socket.questions;
  }

  async containers(only?: readonly ContainerId[]): Promise<readonly EngineContainer[]> {
    const filters = only === undefined ? '' : `&filters=${json({ id: only })}`;
    const path = `/containers/json?all=1${filters}`;
    return this.#list(path, readContainer);
  }

  async networks(): Promise<readonly EngineNetwork[]> {
    const all = await this.#list('/networks', readNetwork);
    return all.filter((network) => network !== undefined);
  }

  /** As the first PID namespace counts; undefined if the container does not run. */
  async pidOf(id: ContainerId): Promise<number | undefined> {
    let pid: number | undefined;
    await this.#get(`/containers/${id}/json`, (value) => {
      pid = readPid(value);
    });
    return pid;
  }

  async identity(): Promise<EngineIdentity> {
    let behind: Behind | undefined;
    await this.#socket.get(
      '/_ping',
      () => undefined,
      async (socket) => {
        behind = await this.processes?.engineBehind(socket);
      },
    );
    if (behind === undefined || this.#info?.process !== behind.process) {
      this.#info = { process: behind?.process, ...(await this.#askInfo()) };
    }
    return { ...this.#info, upMs: behind?.upMs ?? 0 };
  }

  /** Costs the engine more than a list does: once for each of its processes. */
  async #askInfo(): Promise<ReturnType<typeof readInfo>> {
    let info: ReturnType<typeof readInfo> | undefined;
    await this.#get('/info', (value) => {
      info = readInfo(value);
    });
    if (info === undefined) throw new EngineSilent('the engine says nothing about itself');
    return info;
  }

  async ping(): Promise<void> {
    await this.#socket.get('/_ping', () => undefined);
  }

  async watch(changed: (event: EngineEvent) => void): Promise<EngineWatch> {
    const path = `${await this.#prefix()}/events?filters=${encodeURIComponent(events)}`;
    return this.#socket.stream(path, (value) => {
      const event = readEvent(value);
      if (event !== undefined) changed(event);
    });
  }

  /** `GET /info`, as it is: much of it is others' text. */
  async info(): Promise<unknown> {
    let info: unknown;
    await this.#get('/info', (value) => {
      info = value;
    });
    return info;
  }

  close(): void {
    this.#socket.close();
  }

  async #list<T>(path: string, read: (value: unknown) => T): Promise<T[]> {
    const all: T[] = [];
    await this.#get(path, (value) => {
      if (all.length >= mostObjects) throw new Error(`there are more than ${mostObjects} of them`);
      all.push(read(value));
    });
    return all;
  }

  async #get(path: string, read: (value: unknown) => void): Promise<void> {
    const prefix = await this.#prefix();
    try {
      await this.#socket.get(prefix + path, read);
    } catch (error) {
      // The engine may have been replaced by one that knows other versions.
      this.#version = undefined;
      throw error;
    }
  }

  /** The path of the engine's highest version: each engine refuses what is newer, and later ones what is too old. */
  async #prefix(): Promise<string> {
    this.#version ??= this.#negotiate();
    try {
      return await this.#version;
    } catch (error) {
      this.#version = undefined;
      throw error;
    }
  }

  async #negotiate(): Promise<string> {
    const { apiVersion = '' } = await this.#socket.get('/_ping', () => undefined);
    if (!/^\d{1,3}\.\d{1,3}$/.test(apiVersion)) {
      throw new EngineSilent('what answers the ping says no version of Docker’s API');
    }
    return `/v${apiVersion}`;
  }
}

function json(value: unknown): string {
  return encodeURIComponent(JSON.stringify(value));
}
