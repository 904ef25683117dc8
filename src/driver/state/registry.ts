/** The networks and endpoints that should exist, in memory; records.ts is their form on disk. */
import type { IpAddress } from '../../core/address.js';
import type { EndpointId, NetworkId } from '../../core/names.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import type { NetworkSpec } from '../../core/network/network.js';
import { hostOfIfb } from '../../core/network/shaping.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { PublicationId } from '../../core/publications/publication.js';
import { Publications } from './publications.js';
import type { EndpointRecord, NetworkRecord, RecordedPorts } from './records.js';
import { UnreadableRecords } from './unreadable.js';

export interface NetworkState {
  readonly spec: NetworkSpec;
  /** Changed by `transitions.ts` only. */
  readonly record: NetworkRecord;
  readonly endpoints: Map<EndpointId, EndpointState>;
  /**
   * true: made before the last start of the daemon or of the engine, and not used by an engine since, so
   * that the engine may not know it any more. Changed by `transitions.ts` only.
   */
  readonly former: boolean;
}

export interface EndpointState {
  readonly spec: EndpointSpec;
  readonly network: NetworkState;
  /** Changed by `transitions.ts` only. */
  readonly record: EndpointRecord;
  /** What a call is opening right now; a repair then leaves these ports to the call. */
  readonly publishing?: Publishing | undefined;
  /** The engine has said that the container leaves the network. */
  readonly left?: boolean;
  /**
   * The rules that guard its ports could not be written at a start: their sockets stay closed until a repair has
   * written them.
   */
  readonly heldBack?: boolean;
}

export interface Publishing {
  readonly stage: 'sockets' | 'rules';
  /** undefined: what is opened is `record.bindings`, else the publication's part of `record.added`. */
  readonly publication: PublicationId | undefined;
}

/** What of its ports has rules: those whose sockets are being opened may turn out to be another program's. */
export function portsToWrite({
  record: { bindings, opened, added },
  publishing,
}: EndpointState): RecordedPorts {
  if (publishing?.stage !== 'sockets') return { bindings, opened, added };
  const { publication } = publishing;
  if (publication === undefined) return { bindings: [], opened, added };
  return { bindings, opened, added: added.filter((each) => each.publication !== publication) };
}

/** The host ports of the engine and of operators. */
export function hostPortsOf({ bindings, added }: RecordedPorts): readonly PortBinding[] {
  return added.length === 0 ? bindings : [bindings, ...added.map((each) => each.bindings)].flat();
}

export class Registry {
  /**
   * Networks whose creation has begun: the host is searched for devices of their names, and no rule of
   * theirs is desired yet.
   */
  readonly examined = new Set<NetworkSpec>();
  readonly #networks = new Map<NetworkId, NetworkState>();
  readonly #endpoints = new Map<EndpointId, EndpointState>();
  readonly #byBridge = new Map<string, NetworkState>();
  readonly #byLink = new Map<string, EndpointState>();
  readonly #byAddress = new Map<string, Set<EndpointState>>();
  #sequence = 0;
  /** The networks and endpoints sorted by sequence; undefined after a change. */
  #inOrder: {
    networks?: readonly NetworkState[] | undefined;
    endpoints?: readonly EndpointState[] | undefined;
  } = {};
  readonly unreadable = new UnreadableRecords();
  readonly publications = new Publications();

  /** Larger than that of everything registered so far. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** Also one whose record cannot be read: what is open for it stays open. */
  isPublication(id: PublicationId): boolean {
    return this.publications.get(id) !== undefined || this.unreadable.has(id);
  }

  network(id: NetworkId): NetworkState | undefined {
    return this.#networks.get(id);
  }

  endpoint(id: EndpointId): EndpointState | undefined {
    return this.#endpoints.get(id);
  }

  /** In the order in which they were made. */
  networks(): readonly NetworkState[] {
    this.#inOrder.networks ??= bySequence(this.#networks.values());
    return this.#inOrder.networks;
  }

  /** In the order in which they were made. */
  endpoints(): readonly EndpointState[] {
    this.#inOrder.endpoints ??= bySequence(this.#endpoints.values());
    return this.#inOrder.endpoints;
  }

  /** The endpoints of the network that have this address: several if IPAM has given it out again. */
  holders(network: NetworkId, address: IpAddress): readonly EndpointState[] {
    return [...(this.#byAddress.get(`${network} ${address}`) ?? [])];
  }

  /** The network whose bridge has this name, or one of whose endpoints has a link of this name. */
  ownerOf(link: string): NetworkState | undefined {
    const endpoint = this.endpointWith(link);
    return endpoint?.network ?? this.#byBridge.get(link);
  }

  /** The endpoint whose host's end has this name. */
  endpointOf(link: string): EndpointState | undefined {
    return this.#byLink.get(link);
  }

  /** The endpoint whose host's end has this name, or whose ifb (core/network/shaping.ts). */
  endpointWith(link: string): EndpointState | undefined {
    return this.#byLink.get(hostOfIfb(link));
  }

  addNetwork(spec: NetworkSpec, record: NetworkRecord, former = false): NetworkState {
    const state: NetworkState = { spec, record, endpoints: new Map(), former };
    this.#networks.set(spec.id, state);
    this.#inOrder = {};
    this.#byBridge.set(spec.bridge, state);
    this.#sequence = Math.max(this.#sequence, record.sequence);
    return state;
  }

  removeNetwork(id: NetworkId): void {
    const state = this.#networks.get(id);
    this.#networks.delete(id);
    this.#inOrder = {};
    if (state !== undefined) this.#byBridge.delete(state.spec.bridge);
  }

  addEndpoint(network: NetworkState, spec: EndpointSpec, record: EndpointRecord): EndpointState {
    const state: EndpointState = { spec, network, record };
    this.#endpoints.set(spec.id, state);
    this.#inOrder = {};
    network.endpoints.set(spec.id, state);
    this.#byLink.set(spec.veth.host, state);
    for (const address of addresses(spec)) {
      const key = `${network.spec.id} ${address}`;
      this.#byAddress.set(key, (this.#byAddress.get(key) ?? new Set()).add(state));
    }
    this.#sequence = Math.max(this.#sequence, record.sequence);
    return state;
  }

  removeEndpoint(state: EndpointState): void {
    this.#endpoints.delete(state.spec.id);
    this.#inOrder = {};
    state.network.endpoints.delete(state.spec.id);
    this.#byLink.delete(state.spec.veth.host);
    for (const address of addresses(state.spec)) {
      const key = `${state.network.spec.id} ${address}`;
      const holders = this.#byAddress.get(key);
      holders?.delete(state);
      if (holders?.size === 0) this.#byAddress.delete(key);
    }
  }
}

/** By the record's `sequence`, which never changes while the object is registered. */
function bySequence<T extends NetworkState | EndpointState>(states: Iterable<T>): readonly T[] {
  return [...states].sort((a, b) => a.record.sequence - b.record.sequence);
}

function addresses(spec: EndpointSpec): IpAddress[] {
  return [spec.ipv4, spec.ipv6].flatMap((cidr) => (cidr === undefined ? [] : [cidr.address]));
}
