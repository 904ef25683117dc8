/** What the daemon does for `tsbridge connectivity-test`: leases, and what it tells of networks. */
import type { Family } from '../core/address.js';
import { DriverError } from '../core/errors.js';
import type { GenerationName } from '../core/generations/generation.js';
import { type NetworkId, shortId } from '../core/names.js';
import { isManaged, type NetworkSpec, networkLabel } from '../core/network/network.js';
import type { Lease, Leases } from '../driver/leases.js';
import { isLeased } from '../driver/state/leased.js';
import type { NetworkState, Registry } from '../driver/state/registry.js';

/** Options and families with which a network like a given one can be created. */
export interface NetworkModel {
  /** Options of CreateNetwork, without what only one network can have. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** A network of a test, as it was understood: from it follows what should work. */
export interface TestNetwork {
  /** `ruleFamilies` are those whose rules are written now, which an engine without `ip6tables` changes. */
  readonly spec: NetworkSpec;
  readonly generation: GenerationName;
}

export interface TestNetworksParts {
  readonly registry: Pick<Registry, 'network'>;
  readonly leases: Leases;
  readonly recovered: Promise<void>;
  /** Whether rules of the family are written for networks that do not say otherwise. */
  readonly writes: (family: Family) => boolean;
  /** Options that another network can be asked for with, from what was kept of the call. */
  readonly optionsOf: (input: unknown) => Readonly<Record<string, unknown>>;
}

export class TestNetworks {
  constructor(private readonly parts: TestNetworksParts) {}

  get leases(): Leases {
    return this.parts.leases;
  }

  /** Rejects if recovery failed: no network can be made then. */
  ready(): Promise<void> {
    return this.parts.recovered;
  }

  /** @throws {DriverError} if there is no such network, or it is of a kind that cannot be made a second time */
  model(id: NetworkId): NetworkModel {
    const state = this.#network(id);
    const { spec, record } = state;
    if (isLeased(state)) {
      throw new DriverError('network-unknown', `${networkLabel(spec)} is itself one of a test`);
    }
    if (!isManaged(spec)) {
      throw new DriverError(
        'options-invalid',
        `network ${networkLabel(spec)} is on a bridge that tsbridge does not manage, with addresses of its LAN: no ` +
          'second one like it can be made. Test without --like, or look at its packets with tsbridge explain and trace',
      );
    }
    const options = this.parts.optionsOf(record.input);
    return { options, ipv4: spec.ipv4 !== undefined, ipv6: spec.ipv6 !== undefined };
  }

  /** Whether a network that is like no other one gets IPv6: without rules nothing is promised for it. */
  get writesIpv6(): boolean {
    return this.parts.writes(6);
  }

  describe(lease: Pick<Lease, 'has'>, id: NetworkId): TestNetwork {
    if (!lease.has(id)) throw unknown(id);
    const { spec, record } = this.#network(id);
    const ruleFamilies = spec.ruleFamilies.filter(this.parts.writes);
    return { spec: { ...spec, ruleFamilies }, generation: record.ruleSettings.generation };
  }

  #network(id: NetworkId): NetworkState {
    const state = this.parts.registry.network(id);
    if (state === undefined) throw unknown(id);
    return state;
  }
}

function unknown(id: NetworkId): DriverError {
  return new DriverError('network-unknown', `network ${shortId(id)} is not known to tsbridge`);
}
