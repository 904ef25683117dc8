/** What a network should be: the validated request of CreateNetwork. */
import type { Cidr, Family, IpAddress } from '../address.js';
import { type InterfaceName, type InterfacePrefix, type NetworkId, shortId } from '../names.js';
import type { GivenLimits } from './limits.js';
import type { Passage } from './passage.js';

/** `com.docker.network.bridge.gateway_mode_ipv4` and `_ipv6` (docs/docker-bridge.md 2.9). */
export const gatewayModes = ['nat', 'nat-unprotected', 'routed', 'isolated'] as const;
export type GatewayMode = (typeof gatewayModes)[number];

/**
 * `tsbridge.port_rules`. `docker`: one set of rules for each port; `compact`: one for each run of consecutive
 * ports that have the same numbers on the host and in the container; `compact-shifted`: also for runs whose
 * numbers differ; `map`: none, but an element for each port in a map of nf_tables (core/port-map).
 */
export const portRuleKinds = ['docker', 'compact', 'compact-shifted', 'map'] as const;
export type PortRules = (typeof portRuleKinds)[number];

/** One address family of a network. */
export interface NetworkFamily {
  readonly family: Family;
  /** Network address and prefix length: `SUB` in the rules. */
  readonly subnet: Cidr;
  /** What the bridge carries; undefined if IPAM reserved no gateway. */
  readonly bridgeAddress: Cidr | undefined;
  /** Next hop given to containers; undefined gives none (internal networks). */
  readonly containerGateway: IpAddress | undefined;
  /** Source address of outgoing traffic (SNAT) in place of MASQUERADE. */
  readonly hostAddress: IpAddress | undefined;
  readonly gatewayMode: GatewayMode;
}

/** What connects the containers of a network; each kind is a module in `core/segments`. */
export type SegmentKind = 'bridge' | 'unmanaged';

/** `tsbridge.bridge`. `managed`: the driver makes and changes the bridge; `unmanaged`: it only adds ports to it. */
export const bridgeKinds = ['managed', 'unmanaged'] as const;

/**
 * `tsbridge.firewall`, for an unmanaged bridge. `lan`: a rule accepts what passes inside of the bridge; `none`: no
 * rule. Docker's rules would drop what other networks send out by the bridge, and so cut them off from the LAN.
 */
export const lanFirewalls = ['lan', 'none'] as const;
export type LanFirewall = (typeof lanFirewalls)[number];

/**
 * `tsbridge.announce`: what a routing daemon of the host may tell other hosts of a network. `subnet`: the bridge's
 * address brings a connected route; `addresses`: each container has a route of its own beside; `none`: the bridge's
 * address is a host address, and the route to the subnet is not a connected one.
 */
export const announcements = ['subnet', 'addresses', 'none'] as const;
export type Announcement = (typeof announcements)[number];

/** `CIDR via ADDRESS`: where other hosts' containers are. */
export interface RemoteRoute {
  readonly destination: Cidr;
  readonly via: IpAddress;
}

/**
 * `tsbridge.attach`: how containers are connected. `proxy`: the host answers for their addresses on a LAN, by an
 * interface (`tsbridge.parent`) that stays as it is.
 */
export const attachments = ['bridge', 'proxy'] as const;
export type Attachment = (typeof attachments)[number];

/** A route inside of a container. */
export interface ContainerRoute {
  readonly destination: Cidr;
  /** The next hop; absent: the destination is on the link. */
  readonly via?: IpAddress;
  /** Of several routes to a destination the one with the smallest metric is used; absent: 0 for IPv4, 1024 for IPv6. */
  readonly metric?: number;
  /** How the route refuses packets; absent: it sends them. */
  readonly refusal?: RouteRefusal;
}

/**
 * `blackhole` drops packets without an answer. `unreachable` answers that there is no way, `prohibit` that the way is
 * not allowed.
 */
export const routeRefusals = ['blackhole', 'unreachable', 'prohibit'] as const;
export type RouteRefusal = (typeof routeRefusals)[number];

/** The next hop of a default route of containers. */
export interface ContainerGateway {
  readonly address: IpAddress;
  /** As that of a {@link ContainerRoute}. */
  readonly metric?: number;
}

/** `tsbridge.ndp_proxy`: an interface; `uplink`: the one of the host's IPv6 default route. */
export type NdpProxy = InterfaceName | 'uplink';

/** Who may reach containers at their own addresses: a prefix, or what comes in by an interface of the host. */
export type AcceptedSource = Cidr | { readonly interface: InterfaceName };

export const isInterfaceSource = (
  source: AcceptedSource,
): source is Exclude<AcceptedSource, Cidr> => 'interface' in source;

export interface Families {
  readonly ipv4: NetworkFamily | undefined;
  readonly ipv6: NetworkFamily | undefined;
}

export interface NetworkSpec extends Families {
  readonly id: NetworkId;
  readonly segment: SegmentKind;
  /** Which rules are written in place of Docker's; absent: Docker's. */
  readonly lanFirewall?: LanFirewall;
  readonly bridge: InterfaceName;
  /** No way in or out: no gateway, no published ports, drops in the isolation chain. */
  readonly internal: boolean;
  /** Whether containers of this network may talk to each other. */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** The bridge gets no IPv4 address; containers still get the gateway. */
  readonly inhibitIpv4: boolean;
  /** Host address of a published port that names none; undefined is `0.0.0.0` and `::`. */
  readonly hostBinding: IpAddress | undefined;
  /** Bytes; undefined leaves the kernel's 1500. */
  readonly mtu: number | undefined;
  /** What the engine appends an index to, `eth` unless set. */
  readonly containerPrefix: InterfacePrefix;
  /** Host interfaces from which container addresses may be reached directly (28.2). */
  readonly trustedHostInterfaces: readonly InterfaceName[];
  /** Container addresses may be reached from outside without a published port (28.2). */
  readonly allowDirectRouting: boolean;
  /** Switch forwarding on in the kernel if it is off. */
  readonly ipForward: boolean;
  /** Leave the policy of FORWARD alone when forwarding is switched on (28). */
  readonly ipForwardNoDrop: boolean;
  /** Published ports are carried by the proxy where rules do not reach; false is hairpin mode. */
  readonly userlandProxy: boolean;
  /** The families whose rules are written. */
  readonly ruleFamilies: readonly Family[];
  readonly portRules: PortRules;
  /**
   * Nothing passes inside of the bridge from one container to another, unless an endpoint says otherwise; absent:
   * false.
   */
  readonly portIsolation?: boolean;
  /** Limits of each container, unless its endpoint has others; absent: none are given. */
  readonly limits?: GivenLimits;
  /** Routes of the host to containers of other hosts; absent: none. */
  readonly remoteRoutes?: readonly RemoteRoute[];
  /** Routes of each container, unless its endpoint has others; absent: none. */
  readonly containerRoutes?: readonly ContainerRoute[];
  /** Whether containers get a default route, unless their endpoints say otherwise; absent: they do. */
  readonly defaultRoute?: boolean;
  /**
   * Next hops of containers' default routes, unless their endpoints have others; absent: the gateway that IPAM chose.
   */
  readonly gateways?: readonly ContainerGateway[];
  /**
   * Metric of containers' default routes that have none of their own, unless their endpoints have another; absent:
   * none.
   */
  readonly routeMetric?: number;
  /** Who may reach containers at their own addresses, at every port; absent: whom Docker's rules let pass. */
  readonly acceptFrom?: readonly AcceptedSource[];
  /** What a routing daemon of the host may tell others; absent: the subnet. */
  readonly announce?: Announcement;
  /**
   * The interface on which the host answers neighbour solicitations for containers' IPv6 addresses; absent: on none.
   */
  readonly ndpProxy?: NdpProxy;
  /** The interface on which the host answers for containers' addresses of both families; absent: on none. */
  readonly parent?: InterfaceName;
  /** Whether neighbours are told of containers that join, on a LAN; absent: they are. */
  readonly advertised?: boolean;
  /** What may pass, and with which source address; absent: as Docker's rules say. */
  readonly passage?: Passage;
}

/** The families that the network has, IPv4 first. */
export function familiesOf(network: NetworkSpec): NetworkFamily[] {
  return [network.ipv4, network.ipv6].filter((family) => family !== undefined);
}

/**
 * Whether the bridge is the driver's to make, change and isolate. Otherwise it has to exist, gets ports and at most one
 * rule, and endpoints get the MTU that it has.
 */
export const isManaged = ({ segment }: Pick<NetworkSpec, 'segment'>): boolean =>
  segment !== 'unmanaged';

/** A network in messages for people: `0123456789ab (br-0123456789ab)`. */
export function networkLabel({ id, bridge }: Pick<NetworkSpec, 'id' | 'bridge'>): string {
  return `${shortId(id)} (${bridge})`;
}

export function subnetsOf(network: NetworkSpec): Cidr[] {
  return familiesOf(network).map(({ subnet }) => subnet);
}

export function familyIn(network: NetworkSpec, family: Family): NetworkFamily | undefined {
  return family === 4 ? network.ipv4 : network.ipv6;
}

/** The families in which containers have no host ports: they are reached at their own address. */
export function routedFamilies(network: NetworkSpec): Family[] {
  if (!isManaged(network)) return [4, 6];
  return familiesOf(network)
    .filter(({ gatewayMode }) => gatewayMode === 'routed')
    .map(({ family }) => family);
}
