/**
 * What the daemon may ask of the engine, for people: names, and whether the engine knows what is on record.
 * The engine asks us, too, and waits for our answer: nothing here may be awaited by a call of the engine, or
 * before calls are served. Nothing can be changed by it.
 */
import type {
  EngineContainer,
  EngineEvent,
  EngineId,
  EngineNetwork,
} from '../core/engine-lists.js';
import type { ContainerId } from '../core/names.js';
import type { ProcessId } from './host.js';

/** Which engine it is that answers. */
export interface EngineIdentity {
  readonly id: EngineId;
  /** undefined if another program passes requests on, so that the process of the engine is not known. */
  readonly process: ProcessId | undefined;
  /** How long that process has run; 0 if it is not known. */
  readonly upMs: number;
  /** Folder of the engine's own files. */
  readonly dataRoot: string;
}

export interface EngineWatch {
  /** Resolves when no more events come, for whatever reason. Never rejects. */
  readonly ended: Promise<void>;
  close(): void;
}

/** The engine did not answer, or not as it should; the message says what was asked, and why. */
export class EngineSilent extends Error {
  override readonly name = 'EngineSilent';
}

/** All methods throw {@link EngineSilent}; an answer is whole, or there is none. */
export interface Engine {
  /** Every container, or those of these ids that there are. */
  containers(only?: readonly ContainerId[]): Promise<readonly EngineContainer[]>;
  /** Every network of whatever driver that has an id of libnetwork's form: not those of a swarm. */
  networks(): Promise<readonly EngineNetwork[]>;
  identity(): Promise<EngineIdentity>;
  /** Succeeds if the engine answers at all. */
  ping(): Promise<void>;
  /** Resolves when the engine has begun to tell. */
  watch(changed: (event: EngineEvent) => void): Promise<EngineWatch>;
  /** What was asked fails at once, as does what is asked later. */
  close(): void;
}
