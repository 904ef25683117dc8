/** An engine in memory that tells names, and can fall silent. */
import type { EngineContainer, EngineEvent, EngineNetwork } from '../../src/core/engine-lists.js';
import { parseEngineId } from '../../src/core/engine-lists.js';
import {
  type ContainerId,
  parseContainerId,
  parseEndpointId,
  parseNetworkId,
} from '../../src/core/names.js';
import { plainText } from '../../src/core/plain-text.js';
import {
  type Engine,
  type EngineIdentity,
  EngineSilent,
  type EngineWatch,
} from '../../src/driver/engine.js';
import type { ProcessId } from '../../src/driver/host.js';

export class FakeEngine implements Engine {
  /** Names of methods, in the order in which they were called. */
  readonly asked: string[] = [];
  readonly known = new Map<string, EngineContainer>();
  readonly networkNames = new Map<string, string>();
  /** undefined: it answers. */
  silence: string | undefined;
  process = 'boot pid:[1] 4711 99' as ProcessId | undefined;
  upMs = 3_600_000;
  engineId = 'ENGINE:A';
  /** Runs before an answer is made. */
  before: (method: string) => void | Promise<void> = () => undefined;
  #watch: { changed: (event: EngineEvent) => void; end: () => void } | undefined;

  add(id: string, name: string, ...attached: readonly (readonly [string, string?])[]): void {
    this.known.set(id, {
      id: required(parseContainerId(id)),
      name: plainText(name),
      compose: undefined,
      running: attached.some(([, endpoint]) => endpoint !== undefined),
      attachments: attached.map(([network, endpoint]) => ({
        networkName: plainText(this.networkNames.get(network) ?? network),
        network: parseNetworkId(network),
        endpoint: endpoint === undefined ? undefined : required(parseEndpointId(endpoint)),
      })),
    });
  }

  tell(event: EngineEvent): void {
    this.#watch?.changed(event);
  }

  /** As when dockerd ends. */
  endEvents(): void {
    this.#watch?.end();
  }

  async containers(only?: readonly ContainerId[]): Promise<readonly EngineContainer[]> {
    await this.#ask(only === undefined ? 'containers' : `containers ${only.length}`);
    return [...this.known.values()].filter(({ id }) => only === undefined || only.includes(id));
  }

  async networks(): Promise<readonly EngineNetwork[]> {
    await this.#ask('networks');
    return [...this.networkNames].map(([id, name]) => ({
      id: required(parseNetworkId(id)),
      name: plainText(name),
    }));
  }

  async identity(): Promise<EngineIdentity> {
    await this.#ask('identity');
    const id = required(parseEngineId(this.engineId));
    return { id, process: this.process, upMs: this.upMs, dataRoot: '/var/lib/docker' };
  }

  async ping(): Promise<void> {
    await this.#ask('ping');
  }

  async watch(changed: (event: EngineEvent) => void): Promise<EngineWatch> {
    await this.#ask('watch');
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#watch = { changed, end };
    return { ended, close: end };
  }

  close(): void {
    this.silence = 'the daemon stops';
    this.endEvents();
  }

  async #ask(method: string): Promise<void> {
    this.asked.push(method);
    await this.before(method);
    if (this.silence !== undefined) throw new EngineSilent(this.silence);
  }
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('no id');
  return value;
}
