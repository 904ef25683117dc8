/**
 * Rules of options that Docker's driver does not have: who may reach published ports, what containers may open
 * connections to, and with which source address they leave. They are the same with every generation, in chains of the
 * driver's own (`passage-chains.ts`), so that no engine removes them and no rule of Docker's changes
 * (docs/adr/0020-passage.md). What containers may open connections to is in `egress.ts`.
 */
import {
  type Cidr,
  type Family,
  familyOf,
  hostCidr,
  isLoopback,
  isUnspecified,
} from '../../address.js';
import type { InterfaceName } from '../../names.js';
import type { EndpointSpec } from '../../network/endpoint.js';
import { familyIn, type NetworkSpec } from '../../network/network.js';
import { type PublishFrom, passageOf, type Source } from '../../network/passage.js';
import type { OpenRun, PublishedRun } from '../../ports/runs.js';
import { type Matches, type PlacedRule, place, type Target } from '../../rules/rule.js';
import { translatedFamily } from '../ports/published-port.js';
import { destinationIn, endpointEgressRules, networkEgressRules } from './egress.js';
import { drop, exempt } from './passage-chains.js';

/** The part of an endpoint that its passage is read from. */
export type Passing = Pick<EndpointSpec, 'passage'>;

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
  rules.push(...networkEgressRules(network, family));
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
  const { egressIp, publishFrom } = passage;
  const rules = endpointEgressRules(network, endpoint, family);
  if (own === undefined || address === undefined) return rules;
  const container = hostCidr(address);
  if (typeof egressIp === 'object' && egressIp[family] !== undefined) {
    rules.push(source(network, container, { snat: egressIp[family] }));
  }
  if (isGuarded(publishFrom)) {
    for (const from of sourcesIn(publishFrom, family)) {
      const matches: Matches = { ...from, destination: container, outInterface: network.bridge };
      rules.push(exempt(family, 'TSBRIDGE-PUBLISH', matches));
    }
  }
  return rules;
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
  // Without the proxy no socket listens at the host's port.
  if (!network.userlandProxy) return forwarded;
  const family = familyOf(run.hostIp);
  const port: Matches = {
    ...(isUnspecified(run.hostIp) ? {} : { destination: hostCidr(run.hostIp) }),
    protocol: run.protocol,
    destinationPort: run.hostPort,
  };
  return [
    ...forwarded,
    // Whoever publishes at a loopback address means the host alone, so there are no exceptions. The guard is needed where an
    // interface has `route_localnet`, as the bridge of a network without the proxy has: containers there can send to it.
    ...(isLoopback(run.hostIp) ? [] : sourcesIn(publishFrom, family)).map((from) =>
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

export const isGuarded = (from: PublishFrom | undefined): from is readonly Source[] =>
  from !== undefined && from !== 'everywhere';

function sourcesIn(sources: readonly Source[], family: Family): Matches[] {
  return sources.flatMap((each): Matches[] => {
    if (each.from === 'interface') return [{ inInterface: each.name }];
    if (each.cidr.family !== family) return [];
    return [each.cidr.prefixLength === 0 ? {} : { source: each.cidr }];
  });
}
