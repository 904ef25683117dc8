/** The engine's API in memory: which endpoint is whose is known after a refresh. */
import type { ContainerId, EndpointId, EngineName, NetworkId } from '../../src/core/names.js';
import type { ContainerName } from '../../src/core/publications/plan.js';
import type { Containers, EngineObjects } from '../../src/driver/host.js';

export class FakeContainers implements Containers {
  /** What the engine would answer. */
  readonly endpoints = new Map<EndpointId, ContainerName>();
  readonly networks = new Map<NetworkId, EngineName>();
  /** Also those that do not run. */
  readonly existing = new Set<ContainerId>();
  /** Why the engine does not answer. */
  down: string | undefined;
  asked = 0;
  #known: ReadonlyMap<EndpointId, ContainerName> = new Map();
  #changed: () => void = () => {};

  of(endpoint: EndpointId): ContainerName | undefined {
    return this.#known.get(endpoint);
  }

  networkName(network: NetworkId): EngineName | undefined {
    return this.networks.get(network);
  }

  async refresh(): Promise<void> {
    this.asked += 1;
    if (this.down !== undefined) throw new Error(this.down);
    this.#known = new Map(this.endpoints);
    this.#changed();
  }

  async list(): Promise<EngineObjects> {
    this.asked += 1;
    if (this.down !== undefined) throw new Error(this.down);
    return { containers: new Set(this.existing), networks: new Set(this.networks.keys()) };
  }

  onChange(listener: () => void): void {
    this.#changed = listener;
  }

  /** A container of the engine's starts with this endpoint. */
  started(endpoint: EndpointId, name: string, id: string): void {
    const container = { id: id as ContainerId, name: name as EngineName };
    this.existing.add(container.id);
    this.endpoints.set(endpoint, container);
  }
}
