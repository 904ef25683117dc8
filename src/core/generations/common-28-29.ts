/**
 * What 28 and 29 have in common: `DOCKER-FORWARD` with its three jumps, drops of unpublished
 * ports at the end of `DOCKER`, drops of direct access in table raw.
 *
 * Source: docs/docker-bridge.md 1.2, 2.3 and 3.4; texts and order as observed on 28.5.2 and 29.
 */
import { type Cidr, type Family, familyOf, hostCidr, isLoopback } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { EndpointSpec } from '../network/endpoint.js';
import { familyIn, type NetworkFamily, type NetworkSpec } from '../network/network.js';
import type { OpenRun, PublishedRun } from '../ports/runs.js';
import type { BaseRules } from '../rules/plan.js';
import {
  type DockerChain,
  type Matches,
  type PlacedRule,
  place,
  type RuleChain,
  type Target,
} from '../rules/rule.js';
import type { FirewallSettings } from './generation.js';
import { acceptFromRules, acceptRawRules } from './own-options/accept-from.js';
import { hostTranslation, outwardTranslation, translationJumps } from './ports/nat.js';
import {
  destinationTranslation,
  openPort,
  selfTranslation,
  translatedFamily,
} from './ports/published-port.js';

/** @param isolation the chains in which networks are isolated; the first is jumped to */
export function forwardChainBase(
  family: Family,
  settings: FirewallSettings,
  isolation: readonly [DockerChain, ...DockerChain[]],
): BaseRules {
  const anchor = (chain: 'FORWARD' | 'DOCKER-FORWARD', jump: DockerChain): PlacedRule =>
    place('anchor', family, 'filter', chain, {}, { jump });
  const chains: readonly DockerChain[] = [
    'DOCKER',
    'DOCKER-FORWARD',
    'DOCKER-BRIDGE',
    'DOCKER-CT',
    ...isolation,
    'DOCKER-USER',
  ];
  return {
    chains: [
      { table: 'nat', chain: 'DOCKER' },
      ...chains.map((chain) => ({ table: 'filter' as const, chain })),
    ],
    rules: [
      ...translationJumps(family, settings),
      anchor('FORWARD', 'DOCKER-USER'),
      anchor('FORWARD', 'DOCKER-FORWARD'),
      anchor('DOCKER-FORWARD', 'DOCKER-CT'),
      anchor('DOCKER-FORWARD', isolation[0]),
      anchor('DOCKER-FORWARD', 'DOCKER-BRIDGE'),
    ],
  };
}

/** Traffic between containers of an internal network. For an external one, its leaving rules cover it. */
export function internalIcc(
  { bridge, icc }: Pick<NetworkSpec, 'bridge' | 'icc'>,
  family: Family,
): PlacedRule {
  const inside: Matches = { inInterface: bridge, outInterface: bridge };
  return place('end', family, 'filter', 'DOCKER-FORWARD', inside, icc ? 'ACCEPT' : 'DROP');
}

/** The rules of an external network that both generations write. */
export function forwardChainRules(
  network: NetworkSpec,
  own: NetworkFamily,
  settings: FirewallSettings,
): PlacedRule[] {
  const { bridge, masquerade } = network;
  const { family, gatewayMode } = own;
  const filter = (chain: RuleChain, matches: Matches, target: Target): PlacedRule =>
    place('end', family, 'filter', chain, matches, target);
  const ping: Matches = { outInterface: bridge, protocol: family === 4 ? 'icmp' : 'icmpv6' };
  const direct: Matches = { inInterface: { not: bridge }, outInterface: bridge };
  const unprotected = gatewayMode === 'nat-unprotected';
  return [
    ...(masquerade && gatewayMode !== 'routed' ? [outwardTranslation(bridge, own)] : []),
    ...(settings.userlandProxy ? [] : [hostTranslation(bridge, own)]),
    ...(gatewayMode === 'routed' ? [filter('DOCKER', ping, 'ACCEPT')] : []),
    ...leavingRules(network, family),
    ...acceptFromRules(network, family, 'DOCKER'),
    filter('DOCKER', direct, unprotected ? 'ACCEPT' : 'DROP'),
    filter('DOCKER-CT', { outInterface: bridge, established: true }, 'ACCEPT'),
    filter('DOCKER-BRIDGE', { outInterface: bridge }, { jump: 'DOCKER' }),
  ];
}

/** Accepts what leaves the network and, with icc, what goes from one of its containers to another. */
function leavingRules({ bridge, icc }: NetworkSpec, family: Family): PlacedRule[] {
  const forward = (matches: Matches, target: Target): PlacedRule =>
    place('end', family, 'filter', 'DOCKER-FORWARD', { inInterface: bridge, ...matches }, target);
  if (icc) return [forward({}, 'ACCEPT')];
  return [
    forward({ outInterface: bridge }, 'DROP'),
    forward({ outInterface: { not: bridge } }, 'ACCEPT'),
  ];
}

/**
 * Drops what is sent to a container's own address from outside of its network, except from trusted
 * interfaces (as 28.2; 28.0 and 28.1 have such a drop for each published port).
 */
export function directAccessDrops(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  family: Family,
): PlacedRule[] {
  const own = familyIn(network, family);
  const address = family === 4 ? endpoint.ipv4 : endpoint.ipv6;
  if (own === undefined || address === undefined) return [];
  if (network.internal || own.gatewayMode !== 'nat' || network.allowDirectRouting) return [];
  const destination: Cidr = hostCidr(address.address);
  const raw = (matches: Matches, target: Target): PlacedRule =>
    place('end', family, 'raw', 'PREROUTING', { destination, ...matches }, target);
  return [
    ...network.trustedHostInterfaces.map((trusted) => raw({ inInterface: trusted }, 'ACCEPT')),
    ...acceptRawRules(network, destination, family),
    raw({ inInterface: { not: network.bridge } }, 'DROP'),
  ];
}

/** In mode `routed` there is no host port: the only rule accepts traffic to the container's own port. */
export function routedPortRules(network: NetworkSpec, port: OpenRun): PlacedRule[] {
  return network.internal ? [] : [openPort(network.bridge, port, 'top')];
}

/** The rules of a port with a host side. In mode `routed`, where there is none, only the port is opened. */
export function publishedPortRules(
  network: NetworkSpec,
  binding: PublishedRun,
  settings: FirewallSettings,
): PlacedRule[] {
  const { bridge } = network;
  const family = translatedFamily(binding);
  const mode = family && familyIn(network, family)?.gatewayMode;
  if (family === undefined || mode === undefined || network.internal) return [];
  if (mode === 'routed') return routedPortRules(network, binding);
  // The kernel forwards nothing that comes from a link-local address: the proxy carries it.
  const notLinkLocal: Matches = family === 6 ? { source: { not: linkLocal } } : {};
  return [
    ...loopbackDrops(binding),
    ...destinationTranslation(bridge, binding, settings, notLinkLocal),
    ...(settings.userlandProxy ? [] : [selfTranslation(binding)]),
    ...(mode === 'nat-unprotected' ? [] : [openPort(bridge, binding, 'top')]),
  ];
}

/** Drops packets for a port on 127.0.0.0/8 that a neighbour sends by routing that network to this host. */
function loopbackDrops({ hostIp, hostPort, protocol }: PublishedRun): PlacedRule[] {
  if (familyOf(hostIp) !== 4 || !isLoopback(hostIp)) return [];
  const fromElsewhere: Matches = {
    protocol,
    destination: hostCidr(hostIp),
    destinationPort: hostPort,
    inInterface: { not: 'lo' as InterfaceName },
  };
  return [place('end', 4, 'raw', 'PREROUTING', fromElsewhere, 'DROP')];
}

const linkLocal = { family: 6, address: 'fe80::', prefixLength: 10 } as Cidr;
