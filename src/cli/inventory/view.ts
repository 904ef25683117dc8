/** The inventory with names, and with what only the host can say, as the commands show it. */
import type { LinkCounters } from '../../codec/netlink/link-counters.js';
import type { OpenSocket } from '../../codec/proc-net.js';
import type { Containers, Inside } from '../../host/look/inside.js';
import type {
  InventoryEndpoint,
  InventoryNetwork,
  InventoryPort,
} from '../../operator/inventory/inventory.js';
import type { EndpointItem, NetworkItem, PortItem } from '../schemas/inventory.js';
import type { NamesView } from './names.js';
import type { ReadInventory } from './read.js';

/** What was read of the host, beside the inventory. */
export interface HostView {
  /** Looks into network namespaces of containers; undefined: the user may not. */
  readonly containers: Pick<Containers, 'at'> | undefined;
  /** Counters of links by their names; undefined: they were not read. */
  readonly counters: ReadonlyMap<string, LinkCounters> | undefined;
}

export class InventoryView {
  readonly #networks: ReadonlyMap<string, InventoryNetwork>;

  constructor(
    private readonly inventory: ReadInventory,
    readonly names: NamesView,
    private readonly host: HostView,
  ) {
    this.#networks = new Map(inventory.networks.map((network) => [network.id, network]));
  }

  networks(): NetworkItem[] {
    return this.inventory.networks.map((network) => this.networkItem(network));
  }

  // A daemon of an earlier version leaves `test` out.
  networkItem({ phase, test = false, ...network }: InventoryNetwork): NetworkItem {
    const own = this.inventory.endpoints.filter((endpoint) => endpoint.network === network.id);
    const name = this.names.networkName(network.id) ?? null;
    return { ...network, name, state: phase, endpoints: own.length, test };
  }

  networkById(id: string): InventoryNetwork | undefined {
    return this.#networks.get(id);
  }

  networkOf({ network }: InventoryEndpoint): InventoryNetwork | undefined {
    return this.#networks.get(network);
  }

  /** The endpoints, sorted by network and container: the order does not depend on which was made first. */
  endpoints(): readonly InventoryEndpoint[] {
    const key = (endpoint: InventoryEndpoint): string =>
      [
        this.names.networkName(endpoint.network) ?? endpoint.network,
        this.names.containerOf(endpoint.id)?.name ?? '',
        endpoint.id,
      ].join('\0');
    return [...this.inventory.endpoints]
      .map((endpoint) => ({ endpoint, key: key(endpoint) }))
      .sort((a, b) => compare(a.key, b.key))
      .map(({ endpoint }) => endpoint);
  }

  endpointItem(endpoint: InventoryEndpoint): EndpointItem {
    const { id, mac, veth, limits, ports, phase, ipv4, ipv6 } = endpoint;
    // A daemon of an earlier version leaves them out.
    const { routes = { inside: [], host: [] }, answeredOn = null } = endpoint;
    const counters = this.host.counters?.get(veth);
    const network = this.networkOf(endpoint);
    const inside = this.#inside(endpoint);
    return {
      endpoint: id,
      container: this.names.containerOf(id) ?? null,
      network: this.#networkRef(endpoint),
      addresses: [ipv4, ipv6].filter((address) => address !== null),
      mac,
      veth,
      inside: (counters?.peer !== undefined && inside?.interfaces.get(counters.peer)) || null,
      mtu: counters?.mtu ?? network?.mtu ?? null,
      // The container receives what the host's end sends.
      received: counters ? { bytes: counters.sentBytes, packets: counters.sentPackets } : null,
      sent: counters ? { bytes: counters.receivedBytes, packets: counters.receivedPackets } : null,
      limits,
      routes: { inside: [...routes.inside], host: [...routes.host] },
      answeredOn,
      ports: ports.length,
      state: phase,
    };
  }

  /** The ports, sorted by host port, protocol and address. */
  ports(
    endpoints: readonly InventoryEndpoint[],
    chosen: (port: InventoryPort) => boolean = () => true,
  ): PortItem[] {
    return endpoints
      .flatMap((endpoint) =>
        endpoint.ports.filter(chosen).map((port) => this.#portItem(endpoint, port)),
      )
      .sort(
        (a, b) =>
          a.host.port - b.host.port ||
          compare(a.protocol, b.protocol) ||
          a.host.family - b.host.family ||
          compare(a.host.address, b.host.address),
      );
  }

  #portItem(endpoint: InventoryEndpoint, port: InventoryPort): PortItem {
    const { protocol, hostIp, hostPort, containerIp, containerPort, path, by, since } = port;
    return {
      host: { address: hostIp, port: hostPort, family: hostIp.includes(':') ? 6 : 4 },
      protocol,
      to: { address: containerIp, port: containerPort },
      container: this.names.containerOf(endpoint.id) ?? null,
      network: this.#networkRef(endpoint),
      endpoint: endpoint.id,
      path,
      publishedBy: by,
      // A daemon of an earlier version leaves it out.
      publishedSince: since ?? null,
      publishFrom: endpoint.publishFrom ? [...endpoint.publishFrom] : null,
      reach: null,
      listening: listening(this.#inside(endpoint), port),
    };
  }

  #networkRef(endpoint: InventoryEndpoint): EndpointItem['network'] {
    const { network: id } = endpoint;
    const { bridge = '', test = false } = this.networkOf(endpoint) ?? {};
    return { id, name: this.names.networkName(id) ?? null, bridge, test };
  }

  #inside({ sandbox }: InventoryEndpoint): Inside | undefined {
    return sandbox === null ? undefined : this.host.containers?.at(sandbox);
  }
}

/** Compares by code units, so that the order is the same in every locale. */
export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

type PortInside = Pick<InventoryPort, 'protocol' | 'containerIp' | 'containerPort'>;

/** The sockets of the port inside of its container, and those of them that take what comes to the port. */
export function socketsAt(
  { sockets }: Pick<Inside, 'sockets'>,
  { protocol, containerIp, containerPort }: PortInside,
): { readonly all: readonly OpenSocket[]; readonly serving: readonly OpenSocket[] } {
  const all = sockets.filter(
    (socket) => socket.protocol === protocol && socket.port === containerPort,
  );
  return { all, serving: all.filter((socket) => takes(socket, containerIp)) };
}

/** Whether a program in the container takes what comes to the port, and which. */
export function listening(inside: Inside | undefined, port: PortInside): PortItem['listening'] {
  if (inside === undefined) return { state: 'unknown', on: [], program: null };
  const { all: sockets, serving } = socketsAt(inside, port);
  const loopback = sockets.every(({ address }) => /^(127\.|::1$|::ffff:127\.)/.test(address));
  const [shown] = serving.length > 0 ? serving : sockets;
  return {
    state:
      serving.length > 0
        ? 'yes'
        : sockets.length === 0
          ? 'no'
          : loopback
            ? 'loopback'
            : 'other-address',
    on: sockets.map(({ address, port }) => ({ address, port })),
    program: (shown && inside.programOf(shown)) ?? null,
  };
}

/**
 * Whether a socket takes packets to the address. One on `::` counts for IPv4, too: whether its program forbids that
 * cannot be seen from outside.
 */
function takes({ address }: OpenSocket, ip: string): boolean {
  const any = ip.includes(':') ? ['::'] : ['0.0.0.0', '::', `::ffff:${ip}`];
  return address === ip || any.includes(address);
}
