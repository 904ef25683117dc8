/** Networks and endpoints that the engine does not list, and since when. Shown to operators; it proves nothing. */
import type { NetworkId } from '../../core/names.js';
import type { Clock } from '../clock.js';
import type { EngineIdentity } from '../engine.js';
import { isLeased } from '../state/leased.js';
import type { EndpointState, NetworkState, Registry } from '../state/registry.js';
import { leastUpMs } from './engine-proofs.js';

export type Forgettable = NetworkState | EndpointState;

export interface Suspect {
  readonly kind: 'network' | 'endpoint';
  readonly id: string;
  readonly bridge: string;
  /** For how long already, in seconds. */
  readonly forSeconds: number;
}

export class Suspects {
  readonly #since = new Map<Forgettable, number>();
  #process: EngineIdentity['process'];

  /** @param isKnown whether the engine has named the endpoint's container lately; true also if it is silent */
  constructor(
    private readonly registry: Registry,
    private readonly isKnown: (state: EndpointState) => boolean,
    private readonly clock: Clock,
  ) {}

  /** The engine has listed these networks. */
  note({ process }: EngineIdentity, listed: { has(id: NetworkId): boolean }): void {
    // For the next process of the engine time begins anew.
    if (this.#process !== process) this.#since.clear();
    this.#process = process;
    const missing = new Set<Forgettable>([
      ...this.registry.networks().filter((state) => !listed.has(state.spec.id) && !isLeased(state)),
      ...this.registry
        .endpoints()
        .filter((state) => !this.isKnown(state) && !isLeased(state.network)),
    ]);
    for (const state of this.#since.keys()) if (!missing.has(state)) this.#since.delete(state);
    const now = this.clock.now();
    for (const state of missing) if (!this.#since.has(state)) this.#since.set(state, now);
  }

  forget(state: Forgettable): void {
    this.#since.delete(state);
  }

  /** Those that have been missing for so long. */
  missingFor(ms: number): Set<Forgettable> {
    return new Set([...this.#since.keys()].filter((state) => this.#ageOf(state) >= ms));
  }

  /** It was not made by a call that the engine may still be at work on. */
  isOld(state: Forgettable): boolean {
    return (!('network' in state) && state.former) || this.#ageOf(state) >= leastUpMs;
  }

  /** Without those that may just be on their way into the engine's list. */
  all(): Suspect[] {
    return [...this.#since.keys()]
      .filter((state) => this.isOld(state))
      .map((state) => {
        const isEndpoint = 'network' in state;
        const { bridge } = isEndpoint ? state.network.spec : state.spec;
        const forSeconds = Math.floor(this.#ageOf(state) / 1_000);
        return { kind: isEndpoint ? 'endpoint' : 'network', id: state.spec.id, bridge, forSeconds };
      });
  }

  #ageOf(state: Forgettable): number {
    const since = this.#since.get(state);
    return since === undefined ? 0 : this.clock.now() - since;
  }
}
