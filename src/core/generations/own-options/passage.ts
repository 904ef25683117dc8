/**
 * Rules of options that Docker's driver does not have: who may reach published ports, what containers may open
 * connections to, and with which source address they leave. They are the same with every generation, in chains of the
 * driver's own, so that no engine removes them and no rule of Docker's changes (docs/adr/0020-passage.md).
 *
 * Exceptions stand in one chain and drops in another one, to which the first one leads at its end. So the order within
 * a chain has no effect, and a rule that is repaired belongs where it is put.
 */
import {
  type Cidr,
  type Family,
  familyOf,
  hostCidr,
  isLoopback,
  isUnspecified,
  parseCidr,
} from '../../address.js';
import type { InterfaceName } from '../../names.js';
import type { EndpointSpec } from '../../network/endpoint.js';
import { familyIn, type NetworkFamily, type NetworkSpec } from '../../network/network.js';
import {
  type Destination,
  type EgressAllow,
  type PublishFrom,
  passageOf,
  type Source,
} from '../../network/passage.js';
import type { Port, PortMatch } from '../../ports/port.js';
import type { OpenRun, PublishedRun } from '../../ports/runs.js';
import type { BaseRules } from '../../rules/plan.js';
import {
  type Matches,
  type OwnedChain,
  type PlacedRule,
  place,
  type Target,
} from '../../rules/rule.js';
import { translatedFamily } from '../ports/published-port.js';

/** The part of an endpoint that its passage is read from. */
export type Passing = Pick<EndpointSpec, 'passage'>;

/** The chains, and the rules by which packets get there: a group for each kind of option. */
export function passageGroups(family: Family): BaseRules[] {
  return [
    {
      chains: [{ table: 'nat', chain: 'TSBRIDGE-SOURCE' }],
      rules: [place('anchor', family, 'nat', 'POSTROUTING', {}, { jump: 'TSBRIDGE-SOURCE' })],
    },
    {
      chains: [{ table: 'raw', chain: 'TSBRIDGE-ANSWERS' }],
      rules: [place('anchor', family, 'raw', 'PREROUTING', {}, { jump: 'TSBRIDGE-ANSWERS' })],
    },
    dropping(family, 'PREROUTING', 'TSBRIDGE-EGRESS', 'TSBRIDGE-EGRESS-DROP'),
    dropping(family, 'FORWARD', 'TSBRIDGE-PUBLISH', 'TSBRIDGE-PUBLISH-DROP'),
    dropping(family, 'INPUT', 'TSBRIDGE-PROXY', 'TSBRIDGE-PROXY-DROP', [
      { inInterface: 'lo' as InterfaceName },
    ]),
  ];
}

/**
 * In table mangle, whose chains come before those of filter: before DOCKER-USER and before any ACCEPT of Docker's, and
 * out of reach of an engine that starts and of `iptables -F`.
 */
function dropping(
  family: Family,
  hook: 'PREROUTING' | 'FORWARD' | 'INPUT',
  exceptions: OwnedChain,
  drops: OwnedChain,
  exempted: readonly Matches[] = [],
): BaseRules {
  const anchor = (matches: Matches): PlacedRule =>
    place('anchor', family, 'mangle', exceptions, matches, 'RETURN');
  return {
    chains: [
      { table: 'mangle', chain: drops },
      { table: 'mangle', chain: exceptions },
    ],
    rules: [
      place('anchor', family, 'mangle', hook, {}, { jump: exceptions }),
      anchor({ established: true }),
      ...exempted.map(anchor),
      place('end', family, 'mangle', exceptions, {}, { jump: drops }),
    ],
  };
}

const exempt = (family: Family, chain: OwnedChain, matches: Matches): PlacedRule =>
  place('top', family, 'mangle', chain, matches, 'RETURN');
const drop = (family: Family, chain: OwnedChain, matches: Matches): PlacedRule =>
  place('end', family, 'mangle', chain, matches, 'DROP');

/** Rules of the network's options that are not about single containers. */
export function networkPassageRules(network: NetworkSpec, family: Family): PlacedRule[] {
  const { bridge, passage, masquerade } = network;
  if (passage === undefined) return [];
  const own = familyIn(network, family);
  const rules: PlacedRule[] = [];
  if (own !== undefined && masquerade) {
    for (const destination of passage.noMasqueradeTo ?? []) {
      if (destination.family !== family) continue;
      const matches: Matches = {
        source: own.subnet,
        ...destinationIn(destination),
        outInterface: { not: bridge },
      };
      rules.push(place('top', family, 'nat', 'TSBRIDGE-SOURCE', matches, 'ACCEPT'));
      rules.push(answersFrom(destination, own.subnet, bridge));
    }
  }
  if (isHeld(passage.egressAllow)) rules.push(...egressDrops({ inInterface: bridge }, family, own));
  return rules;
}

/** Rules of an endpoint, without those of its ports. */
export function endpointPassageRules(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  family: Family,
): PlacedRule[] {
  const passage = passageOf(network, endpoint);
  const address = (family === 4 ? endpoint.ipv4 : endpoint.ipv6)?.address;
  const own = familyIn(network, family);
  const { egressIp, egressAllow, publishFrom } = passage;
  const isNetworkHeld = isHeld(network.passage?.egressAllow);
  if (own === undefined)
    return closedFamily(network, family, !isNetworkHeld && isHeld(egressAllow));
  if (address === undefined) return [];
  const container = hostCidr(address);
  const rules: PlacedRule[] = [];
  if (typeof egressIp === 'object' && egressIp[family] !== undefined) {
    rules.push(source(network, container, { snat: egressIp[family] }));
  }
  const sent: Matches = { source: container, inInterface: network.bridge };
  if (egressAllow === 'any' && isNetworkHeld) rules.push(exempt(family, 'TSBRIDGE-EGRESS', sent));
  if (isHeld(egressAllow)) {
    for (const each of egressAllow) rules.push(...allowed(sent, each, family));
    if (!isNetworkHeld) rules.push(...egressDrops(sent, family, own));
  }
  if (isGuarded(publishFrom)) {
    for (const from of sourcesIn(publishFrom, family)) {
      const matches: Matches = { ...from, destination: container, outInterface: network.bridge };
      rules.push(exempt(family, 'TSBRIDGE-PUBLISH', matches));
    }
  }
  return rules;
}

/**
 * Rules for a family that the network does not have. Its packets have no address that names a container, so one
 * container with `tsbridge.egress_allow` closes the family for the whole bridge. All such containers share the rule.
 */
function closedFamily({ bridge }: NetworkSpec, family: Family, isClosed: boolean): PlacedRule[] {
  return isClosed ? egressDrops({ inInterface: bridge }, family, undefined) : [];
}

/** Rules of a port with a host side: its guards ({@link guardRules}), and the source of what the container sends. */
export function portPassageRules(
  network: NetworkSpec,
  endpoint: Passing,
  run: PublishedRun,
): PlacedRule[] {
  const { egressIp } = passageOf(network, endpoint);
  const family = translatedFamily(run);
  const isNamed = !isUnspecified(run.hostIp) && !isLoopback(run.hostIp);
  const published = egressIp === 'published' && family !== undefined && isNamed;
  return [
    ...guardRules(network, endpoint, run),
    ...(published ? [source(network, hostCidr(run.containerIp), { snat: run.hostIp })] : []),
  ];
}

/**
 * Keeps everybody from a port who is not among those that may reach it: from the container's port, which translated
 * connections go to, and from the host's, at which the proxy listens.
 */
export function guardRules(
  network: NetworkSpec,
  endpoint: Passing,
  run: PublishedRun,
): PlacedRule[] {
  const { publishFrom } = passageOf(network, endpoint);
  if (!isGuarded(publishFrom)) return [];
  const forwarded = translatedFamily(run) === undefined ? [] : [guardedPort(network, run)];
  // Without the proxy no socket listens at the host's port, and at a loopback address only the host itself reaches
  // it: neither needs a guard in INPUT.
  if (!network.userlandProxy || isLoopback(run.hostIp)) return forwarded;
  const family = familyOf(run.hostIp);
  const port: Matches = {
    ...(isUnspecified(run.hostIp) ? {} : { destination: hostCidr(run.hostIp) }),
    protocol: run.protocol,
    destinationPort: run.hostPort,
  };
  return [
    ...forwarded,
    ...sourcesIn(publishFrom, family).map((from) =>
      exempt(family, 'TSBRIDGE-PROXY', { ...port, ...from }),
    ),
    // Containers of the network reach each other anyway.
    drop(family, 'TSBRIDGE-PROXY-DROP', { ...port, inInterface: { not: network.bridge } }),
  ];
}

/** Guards a port that is reached at the container's own address (mode `routed`). */
export function openedPassageRules(
  network: NetworkSpec,
  endpoint: Passing,
  run: OpenRun,
): PlacedRule[] {
  return isGuarded(passageOf(network, endpoint).publishFrom) ? [guardedPort(network, run)] : [];
}

function guardedPort({ bridge }: NetworkSpec, run: OpenRun): PlacedRule {
  return drop(familyOf(run.containerIp), 'TSBRIDGE-PUBLISH-DROP', {
    protocol: run.protocol,
    destination: hostCidr(run.containerIp),
    destinationPort: run.containerPort,
    inInterface: { not: bridge },
    outInterface: bridge,
  });
}

function source({ bridge }: NetworkSpec, container: Cidr, target: Target): PlacedRule {
  const outward: Matches = { source: container, outInterface: { not: bridge } };
  return place('end', container.family, 'nat', 'TSBRIDGE-SOURCE', outward, target);
}

/**
 * Who sees containers at their own addresses answers there, which Docker from 28 on drops in table raw, where no flow
 * is known. What is no answer still meets the rules of table filter.
 */
function answersFrom(from: Cidr, subnet: Cidr, bridge: InterfaceName): PlacedRule {
  const matches: Matches = {
    ...(from.prefixLength === 0 ? {} : { source: from }),
    destination: subnet,
    inInterface: { not: bridge },
  };
  return place('top', from.family, 'raw', 'TSBRIDGE-ANSWERS', matches, 'ACCEPT');
}

/** Whether a value of the option holds anything back. */
export const isHeld = (allow: EgressAllow | undefined): allow is readonly Destination[] =>
  allow !== undefined && allow !== 'any';
export const isGuarded = (from: PublishFrom | undefined): from is readonly Source[] =>
  from !== undefined && from !== 'everywhere';

function sourcesIn(sources: readonly Source[], family: Family): Matches[] {
  return sources.flatMap((each): Matches[] => {
    if (each.from === 'interface') return [{ inInterface: each.name }];
    if (each.cidr.family !== family) return [];
    return [each.cidr.prefixLength === 0 ? {} : { source: each.cidr }];
  });
}

/** iptables leaves out a network that has every address. */
const destinationIn = (cidr: Cidr): Matches =>
  cidr.prefixLength === 0 ? {} : { destination: cidr };

function allowed(
  sent: Matches,
  { cidr, ports, protocol }: Destination,
  family: Family,
): PlacedRule[] {
  if (cidr.family !== family) return [];
  const to: Matches = { ...sent, ...destinationIn(cidr) };
  if (ports === undefined) return [exempt(family, 'TSBRIDGE-EGRESS', to)];
  const { first, last } = ports;
  const destinationPort = (first === last ? first : { first, last }) as Port | PortMatch;
  const protocols = protocol === undefined ? (['tcp', 'udp'] as const) : [protocol];
  return protocols.map((each) =>
    exempt(family, 'TSBRIDGE-EGRESS', { ...to, protocol: each, destinationPort }),
  );
}

/**
 * Drops what leaves the network, and what is for the host itself, whichever of its addresses. Lets pass what stays
 * inside, and the messages by which IPv6 finds neighbours.
 *
 * @param own undefined: the network does not have the family, so that nothing of it may leave
 */
function egressDrops(sent: Matches, family: Family, own: NetworkFamily | undefined): PlacedRule[] {
  const dropped = (matches: Matches): PlacedRule =>
    drop(family, 'TSBRIDGE-EGRESS-DROP', { ...sent, ...matches });
  if (own === undefined) return [dropped({})];
  const { subnet } = own;
  const neighbours = family === 6 ? [...linkNetworks, subnet] : [];
  return [
    ...neighbours.map((destination) =>
      exempt(family, 'TSBRIDGE-EGRESS', { ...sent, destination, protocol: 'icmpv6' }),
    ),
    dropped({ destination: { not: subnet } }),
    dropped({ hostDestination: true }),
  ];
}

/** Destinations of the messages by which IPv6 finds neighbours: link-local addresses, multicast and unicast. */
const linkNetworks = ['ff02::/16', 'fe80::/10'].flatMap((text) => parseCidr(text) ?? []);
