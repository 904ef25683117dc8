/**
 * Lists networks, endpoints and ports, from the registry alone. Names of containers are not in it: the command that
 * asks gets them elsewhere. Answers are made in pieces, so that thousands of ports never hold up a call of the engine.
 */
import { cidrText, familyOf, type IpAddress, isLoopback } from '../../core/address.js';
import {
  containerRouteText,
  routesByDriver,
  routesByEngine,
} from '../../core/network/container-routes.js';
import { isProxied } from '../../core/network/neighbour-proxies.js';
import type { NetworkSpec } from '../../core/network/network.js';
import { familiesOf } from '../../core/network/network.js';
import { passageOf, publishFromWords } from '../../core/network/passage.js';
import { routesOfEndpoint, routeText } from '../../core/network/routes.js';
import type { PortBinding, Protocol } from '../../core/ports/port.js';
import { isLeased } from '../../driver/state/leased.js';
import type { Phase } from '../../driver/state/records.js';
import type { EndpointState, NetworkState, Registry } from '../../driver/state/registry.js';
import { limitsOfEndpoint } from '../../driver/usecases/limits.js';

export interface InventoryNetwork {
  readonly id: string;
  readonly bridge: string;
  readonly subnets: readonly string[];
  /** MTU in bytes; null: the kernel's default. */
  readonly mtu: number | null;
  readonly internal: boolean;
  readonly phase: Phase;
  /** true: made by `tsbridge connectivity-test`, with which it goes; no engine knows it. */
  readonly test: boolean;
}

/** How packets to a host port reach the container: by rules, by the proxy process, or not at all. */
export type PortPath = 'dnat' | 'proxy' | 'none';

export interface InventoryPort {
  readonly protocol: Protocol;
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerIp: string;
  readonly containerPort: number;
  readonly path: PortPath;
  readonly by: 'docker' | 'operator';
  /** When the port was published; RFC 3339, UTC. null: an earlier version, which recorded no time, published it. */
  readonly since: string | null;
}

export interface InventoryLimit {
  readonly rate: number;
  readonly burst: number;
}

export interface InventoryEndpoint {
  readonly id: string;
  readonly network: string;
  /** Address with prefix length; null: the endpoint has none of this family. */
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  readonly mac: string;
  /** Name of the host's end of the veth pair. */
  readonly veth: string;
  /**
   * Rates in bits per second, bursts in bytes: `down` limits what the container receives, `up` what it sends; null:
   * no limit.
   */
  readonly limits: { readonly down: InventoryLimit | null; readonly up: InventoryLimit | null };
  /** Routes inside of the container that options ask for, and those of the host to it; as `ip route` has them. */
  readonly routes: { readonly inside: readonly string[]; readonly host: readonly string[] };
  /**
   * The interface on which the host answers neighbours for its addresses: its name, or `uplink` for that of the IPv6
   * default route; null: on none.
   */
  readonly answeredOn: string | null;
  /** Who reaches its published ports, beside the host itself; null: everybody. */
  readonly publishFrom: readonly string[] | null;
  readonly phase: Phase;
  /** Path of the container's network namespace; null: no container has joined. */
  readonly sandbox: string | null;
  readonly ports: readonly InventoryPort[];
}

/** `GET /v1/inventory`. */
export interface Inventory {
  readonly networks: readonly InventoryNetwork[];
  readonly endpoints: readonly InventoryEndpoint[];
  /** Why records could not be read, a sentence each. */
  readonly unreadable: readonly string[];
}

export function describeNetwork(state: NetworkState): InventoryNetwork {
  const { spec, record } = state;
  return {
    id: spec.id,
    bridge: spec.bridge,
    subnets: familiesOf(spec).map(({ subnet }) => cidrText(subnet)),
    mtu: spec.mtu ?? null,
    internal: spec.internal,
    phase: record.phase,
    test: isLeased(state),
  };
}

const answeringOn = ({ parent, ndpProxy }: NetworkSpec): string | null =>
  parent ?? ndpProxy ?? null;

function describeEndpoint(state: EndpointState): Omit<InventoryEndpoint, 'ports'> {
  const { spec, record, network } = state;
  const { publishFrom = 'everywhere' } = passageOf(network.spec, spec);
  const inside = [...routesByEngine(spec, network.spec), ...routesByDriver(spec, network.spec)];
  const { down = null, up = null } = limitsOfEndpoint(state);
  return {
    id: spec.id,
    network: spec.networkId,
    ipv4: spec.ipv4 === undefined ? null : cidrText(spec.ipv4),
    ipv6: spec.ipv6 === undefined ? null : cidrText(spec.ipv6),
    mac: spec.mac,
    veth: spec.veth.host,
    limits: { down, up },
    routes: {
      inside: inside.map(containerRouteText),
      host: routesOfEndpoint(spec, network.spec).map(routeText),
    },
    answeredOn: isProxied(spec, network.spec) ? answeringOn(network.spec) : null,
    publishFrom: publishFrom === 'everywhere' ? null : publishFromWords(publishFrom),
    phase: record.phase,
    sandbox: record.sandboxKey ?? null,
  };
}

/**
 * What carries packets that other hosts send to the port. (With the userland proxy, those that the host itself sends to
 * 127.0.0.1 are always carried by the proxy.)
 */
function pathOf(spec: NetworkSpec, { hostIp, containerIp }: PortBinding): PortPath {
  const family = familyOf(containerIp);
  const proxied = spec.userlandProxy;
  const ruled = familyOf(hostIp) === family && spec.ruleFamilies.includes(family);
  if (ruled && !(proxied && isLoopback(hostIp as IpAddress))) return 'dnat';
  return proxied ? 'proxy' : 'none';
}

function describePort(
  spec: NetworkSpec,
  binding: PortBinding,
  by: InventoryPort['by'],
  since: string | null,
): InventoryPort {
  const { protocol, hostIp, hostPort, containerIp, containerPort } = binding;
  return {
    protocol,
    hostIp,
    hostPort,
    containerIp,
    containerPort,
    path: pathOf(spec, binding),
    by,
    since,
  };
}

/** Ports that are written in one step, which takes about 0.1 ms. */
const portsInStep = 100;

/** The JSON of an {@link Inventory}, in steps of less than a millisecond each. */
export function* inventoryJson(
  registry: Pick<Registry, 'networks' | 'endpoints' | 'publications' | 'unreadable'>,
): Generator<string, void> {
  yield '{"networks":[';
  yield* separated(registry.networks(), (network) => [JSON.stringify(describeNetwork(network))]);
  yield '],"endpoints":[';
  yield* separated(registry.endpoints(), (state) => endpointJson(state, registry));
  const unreadable = registry.unreadable.all().map(({ reason }) => reason);
  yield `],"unreadable":${JSON.stringify(unreadable)}}`;
}

function* endpointJson(
  state: EndpointState,
  registry: Pick<Registry, 'publications'>,
): Generator<string, void> {
  const { record, network } = state;
  // The closing brace is cut off, since the ports follow inside of the object.
  yield `${JSON.stringify(describeEndpoint(state)).slice(0, -1)},"ports":[`;
  let first = true;
  for (const [by, bindings, since] of portLists(record, registry)) {
    for (let start = 0; start < bindings.length; start += portsInStep) {
      const part = bindings
        .slice(start, start + portsInStep)
        .map((binding) => JSON.stringify(describePort(network.spec, binding, by, since)))
        .join(',');
      yield (first ? '' : ',') + part;
      first = false;
    }
  }
  yield ']}';
}

function portLists(
  record: EndpointState['record'],
  { publications }: Pick<Registry, 'publications'>,
): readonly (readonly [InventoryPort['by'], readonly PortBinding[], string | null])[] {
  return [
    ['docker', record.bindings, record.publishedAt ?? null],
    ...record.added.map(({ publication, bindings }) => {
      const since = publications.get(publication)?.since ?? null;
      return ['operator', bindings, since] as const;
    }),
  ];
}

function* separated<Item>(
  items: readonly Item[],
  json: (item: Item) => Iterable<string>,
): Generator<string, void> {
  for (const [index, item] of items.entries()) {
    if (index > 0) yield ',';
    yield* json(item);
  }
}
