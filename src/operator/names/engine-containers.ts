/** Whose endpoint which is, for what operators publish: from the names that are kept, and by asking anew. */
import type { EngineContainer } from '../../core/engine-lists.js';
import {
  type EndpointId,
  type EngineName,
  type NetworkId,
  parseEngineName,
} from '../../core/names.js';
import type { ContainerName } from '../../core/publications/plan.js';
import type { Engine } from '../../driver/engine.js';
import type { Containers, EngineObjects } from '../../driver/host.js';
import type { Names } from './names.js';

/** What of the service of names is needed. */
export interface ChangingNames {
  current(): Pick<Names, 'containerOf' | 'networkName'>;
  onChange(listener: () => void): void;
}

export class EngineContainers implements Containers {
  /** What was asked for here, and the service of names may not have heard of yet. */
  #asked: ReadonlyMap<EndpointId, ContainerName> = new Map();

  /** @param source undefined: the engine is never asked */
  constructor(
    private readonly source:
      | { readonly engine: Pick<Engine, 'containers' | 'networks'>; readonly names: ChangingNames }
      | undefined,
  ) {}

  of(endpoint: EndpointId): ContainerName | undefined {
    const known = this.source?.names.current().containerOf(endpoint);
    return (known && named(known)) ?? this.#asked.get(endpoint);
  }

  networkName(network: NetworkId): EngineName | undefined {
    return parseEngineName(this.source?.names.current().networkName(network) ?? '');
  }

  async refresh(): Promise<void> {
    const containers = await this.#engine.containers();
    this.#asked = new Map(
      containers.flatMap((container) => {
        const name = named(container);
        return container.attachments.flatMap(({ endpoint }) =>
          endpoint === undefined || name === undefined ? [] : [[endpoint, name] as const],
        );
      }),
    );
  }

  async list(): Promise<EngineObjects> {
    const networks = await this.#engine.networks();
    const containers = await this.#engine.containers();
    return {
      containers: new Set(containers.map(({ id }) => id)),
      networks: new Set(networks.map(({ id }) => id)),
    };
  }

  onChange(listener: () => void): void {
    this.source?.names.onChange(listener);
  }

  get #engine(): Pick<Engine, 'containers' | 'networks'> {
    if (this.source !== undefined) return this.source.engine;
    throw new Error('it may not be: --docker-socket none');
  }
}

function named({ id, name }: Pick<EngineContainer, 'id' | 'name'>): ContainerName | undefined {
  const valid = parseEngineName(name);
  return valid && { id, name: valid };
}
