/** The names that are known at a moment, found by endpoint and by network. */
import type { EngineContainer, EngineNetwork } from '../../core/engine-lists.js';
import type { ContainerId, EndpointId, NetworkId } from '../../core/names.js';
import {
  documentOf,
  type NamedContainer,
  type Names,
  type NamesDocument,
  type NamesSource,
} from './names.js';

export class KnownNames implements Names {
  #source: NamesSource = { from: 'none', asOf: null, stale: false };
  readonly #containers = new Map<ContainerId, EngineContainer>();
  readonly #byEndpoint = new Map<EndpointId, NamedContainer>();
  #networks = new Map<NetworkId, EngineNetwork>();

  get from(): NamesSource['from'] {
    return this.#source.from;
  }

  get asOf(): string | null {
    return this.#source.asOf;
  }

  get stale(): boolean {
    return this.#source.stale;
  }

  containerOf(endpoint: EndpointId): NamedContainer | undefined {
    return this.#byEndpoint.get(endpoint);
  }

  networkName(network: NetworkId): EngineNetwork['name'] | undefined {
    return this.#networks.get(network)?.name;
  }

  /** Whole, for the operators' socket and for the disk. */
  document(): NamesDocument {
    return documentOf(this.#source, this.#containers.values(), this.#networks.values());
  }

  trust(source: NamesSource): void {
    this.#source = source;
  }

  forgetContainers(): void {
    this.#containers.clear();
    this.#byEndpoint.clear();
  }

  /** Takes the place of what was known of the container. */
  setContainer(container: EngineContainer): void {
    this.removeContainer(container.id);
    const { id, name, compose, running, attachments } = container;
    this.#containers.set(id, container);
    const named = { id, name, ...(compose && { compose }), running };
    for (const { endpoint } of attachments) {
      if (endpoint !== undefined) this.#byEndpoint.set(endpoint, named);
    }
  }

  removeContainer(id: ContainerId): void {
    for (const { endpoint } of this.#containers.get(id)?.attachments ?? []) {
      // Another container may have it by now only if the engine lists wrongly: the later answer counts.
      if (endpoint !== undefined && this.#byEndpoint.get(endpoint)?.id === id) {
        this.#byEndpoint.delete(endpoint);
      }
    }
    this.#containers.delete(id);
  }

  setNetworks(networks: Iterable<EngineNetwork>): void {
    this.#networks = new Map([...networks].map((network) => [network.id, network]));
  }

  /** What a document of an earlier daemon says. */
  load({ containers, networks, ...source }: NamesDocument): void {
    this.forgetContainers();
    for (const { endpoints, ...container } of containers) {
      this.setContainer({
        ...container,
        compose: container.compose,
        // Which endpoint is of which network is in the daemon's own records.
        attachments: endpoints.map((endpoint) => ({
          networkName: container.name,
          network: undefined,
          endpoint,
        })),
      });
    }
    this.setNetworks(networks);
    this.trust(source);
  }
}
