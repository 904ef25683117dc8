/**
 * Which engine each network is of. Several engines of a host can use one driver, by its socket in
 * /run/docker/plugins: what one of them does not list may be another's.
 */
import { type EngineId, parseEngineId } from '../../core/engine-lists.js';
import { messageOf } from '../../core/errors.js';
import { type NetworkId, parseNetworkId } from '../../core/names.js';
import { listField, objectField, textField } from '../../core/record-fields.js';
import type { EngineIdentity } from '../engine.js';
import type { Log, ProcessId } from '../host.js';
import type { EndpointState, NetworkState } from '../state/registry.js';

/** Where this outlives the daemon and a reboot. Without it, less can be proven, and nothing wrongly. */
export interface OwnersFile {
  /** undefined if there is none. */
  load(): Promise<unknown>;
  save(document: unknown): Promise<void>;
}

/** Processes of engines that are remembered: one for each start of an engine. */
const mostProcesses = 32;

export class Owners {
  /** The latest last. */
  readonly #processes = new Map<ProcessId, EngineId>();
  readonly #networks = new Map<NetworkId, EngineId>();

  constructor(
    private readonly file: OwnersFile,
    private readonly log: Pick<Log, 'warn'>,
  ) {}

  async load(): Promise<void> {
    try {
      const saved = await this.file.load();
      if (saved === undefined) return;
      const { processes, networks } = objectField(saved, 'owners');
      for (const entry of listField(processes, 'processes')) {
        const [process, id] = listField(entry, 'processes');
        const engine = parseEngineId(textField(id, 'processes'));
        if (engine) this.#processes.set(textField(process, 'processes') as ProcessId, engine);
      }
      for (const entry of listField(networks, 'networks')) {
        const [network, id] = listField(entry, 'networks').map((text) =>
          textField(text, 'networks'),
        );
        const known = parseNetworkId(network ?? '');
        const engine = parseEngineId(id ?? '');
        if (known && engine) this.#networks.set(known, engine);
      }
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'which engine made what could not be read');
    }
  }

  /**
   * An engine has answered.
   *
   * @param listed the networks that it lists
   * @param all the driver's networks; owners of networks that are not among them are dropped
   */
  async note(
    { id, process }: EngineIdentity,
    listed: { has(id: NetworkId): boolean },
    all: readonly NetworkState[],
  ): Promise<void> {
    let changed = false;
    if (process !== undefined && this.#processes.get(process) !== id) {
      this.#processes.set(process, id);
      const [oldest] = this.#processes.keys();
      if (oldest !== undefined && this.#processes.size > mostProcesses)
        this.#processes.delete(oldest);
      changed = true;
    }
    for (const { spec, record } of all) {
      const owner = listed.has(spec.id) ? id : this.#ofProcess(record.engine);
      if (owner === undefined || this.#networks.get(spec.id) === owner) continue;
      // Known once, it stays, unless another engine lists the network itself.
      if (this.#networks.has(spec.id) && !listed.has(spec.id)) continue;
      this.#networks.set(spec.id, owner);
      changed = true;
    }
    const present = new Set(all.map(({ spec }) => spec.id));
    for (const network of this.#networks.keys()) {
      if (!present.has(network)) changed = this.#networks.delete(network);
    }
    if (changed) await this.#save();
  }

  /** true only if that is certain. */
  isNetworkOf({ id, process }: EngineIdentity, { spec, record }: NetworkState): boolean {
    const owner = this.#networks.get(spec.id);
    if (owner !== undefined) return owner === id;
    return this.#isProcessOf(record.engine, id, process);
  }

  /** true only if that is certain. */
  isEndpointOf(identity: EngineIdentity, { record, network }: EndpointState): boolean {
    const { id, process } = identity;
    if (this.#isProcessOf(record.engine, id, process)) return true;
    const known = this.#ofProcess(record.engine);
    return known === undefined && this.isNetworkOf(identity, network);
  }

  #isProcessOf(
    process: ProcessId | undefined,
    id: EngineId,
    current: ProcessId | undefined,
  ): boolean {
    return process !== undefined && (process === current || this.#ofProcess(process) === id);
  }

  #ofProcess(process: ProcessId | undefined): EngineId | undefined {
    return process === undefined ? undefined : this.#processes.get(process);
  }

  async #save(): Promise<void> {
    try {
      await this.file.save({ processes: [...this.#processes], networks: [...this.#networks] });
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'which engine made what could not be written');
    }
  }
}
