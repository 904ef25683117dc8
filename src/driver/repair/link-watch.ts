/** Link events → repair of the networks that they concern, and of no other. */
import type { Log } from '../host.js';
import type { NetworkState } from '../state/registry.js';
import type { World } from '../world.js';
import { Watch, type WatchStatus } from './debounce.js';
import { repairLinks } from './links.js';

export class LinkWatch {
  readonly #watch: Watch;
  /** Names of the links that changed, by network. */
  readonly #touched = new Map<NetworkState, Set<string>>();

  constructor(
    private readonly world: World,
    log: Log,
  ) {
    this.#watch = new Watch('links', () => this.#repair(), log);
  }

  /** undefined: events were lost, so that every network has to be looked at. */
  changed(name: string | undefined): void {
    const { registry } = this.world;
    if (name === undefined) {
      for (const network of registry.networks()) {
        for (const { spec } of network.endpoints.values()) this.#touch(network, spec.veth.host);
        this.#touch(network, network.spec.bridge);
      }
      return;
    }
    const owner = registry.ownerOf(name);
    if (owner !== undefined) this.#touch(owner, name);
  }

  status(): WatchStatus {
    return this.#watch.status();
  }

  stop(): void {
    this.#watch.stop();
  }

  #touch(network: NetworkState, link: string): void {
    const names = this.#touched.get(network) ?? new Set();
    this.#touched.set(network, names.add(link));
    this.#watch.changed();
  }

  async #repair(): Promise<string[]> {
    const touched = new Map(this.#touched);
    this.#touched.clear();
    return repairLinks(this.world, 'running', touched);
  }
}
