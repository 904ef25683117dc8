/** What a network should be: the validated request of CreateNetwork. */
import type { Cidr, Family, IpAddress } from '../address.js';
import { type InterfaceName, type InterfacePrefix, type NetworkId, shortId } from '../names.js';

/** `com.docker.network.bridge.gateway_mode_ipv4` and `_ipv6` (docs/docker-bridge.md 2.9). */
export const gatewayModes = ['nat', 'nat-unprotected', 'routed', 'isolated'] as const;
export type GatewayMode = (typeof gatewayModes)[number];

/**
 * `tsbridge.port_rules`. `docker`: one set of rules for each port; `compact`: one for each run of consecutive
 * ports that have the same numbers on the host and in the container; `compact-shifted`: also for runs whose
 * numbers differ.
 */
export const portRuleKinds = ['docker', 'compact', 'compact-shifted'] as const;
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
export type SegmentKind = 'bridge';

export interface NetworkSpec {
  readonly id: NetworkId;
  readonly segment: SegmentKind;
  readonly bridge: InterfaceName;
  readonly ipv4: NetworkFamily | undefined;
  readonly ipv6: NetworkFamily | undefined;
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
}

/** The families that the network has, IPv4 first. */
export function familiesOf(network: NetworkSpec): NetworkFamily[] {
  return [network.ipv4, network.ipv6].filter((family) => family !== undefined);
}

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
  return familiesOf(network)
    .filter(({ gatewayMode }) => gatewayMode === 'routed')
    .map(({ family }) => family);
}
