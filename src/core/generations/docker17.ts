/**
 * The rules of Docker 17.03: `DOCKER-ISOLATION` with a pair of drops for every two networks, and
 * IPv4 only: this engine never touches ip6tables.
 *
 * Source: docs/docker-bridge.md 1.2, 2.1 and 3.4; order as replayed from the engine's source.
 */
import type { Family } from '../address.js';
import { familyIn, type NetworkSpec } from '../network/network.js';
import type { PublishedRun } from '../ports/runs.js';
import type { BaseRules } from '../rules/plan.js';
import { type PlacedRule, place } from '../rules/rule.js';
import { answersRule, enteringRule, iccRule, insideRule, leavingRule } from './common-17-20.js';
import type { FirewallSettings, Generation, IsolatedNetwork } from './generation.js';
import { internalDrops } from './internal-drops.js';
import { acceptFromRules, apartRules } from './own-options/accept-from.js';
import { hostTranslation, outwardTranslation, proxyReturn, translationJumps } from './ports/nat.js';
import {
  destinationTranslation,
  openPort,
  selfTranslation,
  translatedFamily,
} from './ports/published-port.js';

export const docker17: Generation = {
  name: 'docker17',
  baseRules,
  networkRules,
  lanRules: (bridge, family) => (family === 6 ? [] : [insideRule(bridge, family)]),
  endpointRules: () => [],
  portRules,
  apartRules,
  pairRules,
  orderBindings: (groups) => [...groups],
};

function baseRules(family: Family, settings: FirewallSettings): BaseRules {
  if (family === 6) return { chains: [], rules: [] };
  return {
    chains: [
      { table: 'nat', chain: 'DOCKER' },
      { table: 'filter', chain: 'DOCKER' },
      { table: 'filter', chain: 'DOCKER-ISOLATION' },
    ],
    rules: [
      ...translationJumps(family, settings),
      place('anchor', family, 'filter', 'FORWARD', {}, { jump: 'DOCKER-ISOLATION' }),
      place('end', family, 'filter', 'DOCKER-ISOLATION', {}, 'RETURN'),
    ],
  };
}

function networkRules(
  network: NetworkSpec,
  family: Family,
  { userlandProxy }: FirewallSettings,
): PlacedRule[] {
  const { bridge, masquerade } = network;
  const ipv4 = familyIn(network, family);
  if (family === 6 || ipv4 === undefined) return [];
  if (network.internal) {
    return [...internalDrops(bridge, ipv4, 'DOCKER-ISOLATION'), iccRule(network, family)];
  }
  // host_ipv4 came with 20.10.
  const own = { ...ipv4, hostAddress: undefined };
  return [
    ...(masquerade ? [outwardTranslation(bridge, own)] : []),
    ...(masquerade && userlandProxy ? [proxyReturn(bridge, family)] : []),
    ...(userlandProxy ? [] : [hostTranslation(bridge, own)]),
    iccRule(network, family),
    leavingRule(bridge, family),
    answersRule(bridge, family),
    enteringRule(bridge, family),
    ...acceptFromRules(network, family, 'FORWARD'),
  ];
}

/** None if one of the two is internal: the drops of an internal network cover all others. */
function pairRules(network: IsolatedNetwork, other: IsolatedNetwork, family: Family): PlacedRule[] {
  if (family === 6 || network.internal || other.internal) return [];
  const drop = (from: IsolatedNetwork, to: IsolatedNetwork): PlacedRule => {
    const crossing = { inInterface: from.bridge, outInterface: to.bridge };
    return place('top', family, 'filter', 'DOCKER-ISOLATION', crossing, 'DROP');
  };
  return [drop(network, other), drop(other, network)];
}

function portRules(
  { bridge }: NetworkSpec,
  binding: PublishedRun,
  settings: FirewallSettings,
): PlacedRule[] {
  if (translatedFamily(binding) !== 4) return [];
  return [
    ...destinationTranslation(bridge, binding, settings),
    openPort(bridge, binding, 'end'),
    selfTranslation(binding),
  ];
}
