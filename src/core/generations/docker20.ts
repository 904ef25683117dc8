/**
 * The rules of Docker 17.06 to 27: `DOCKER-USER` and two-stage isolation.
 *
 * Source: docs/docker-bridge.md 1.2, 2.2 and 3.4; texts and order as observed on 20.10.24 and
 * 26.1.5.
 * The RETURN at the end of DOCKER-USER is left to the engine, which appends it itself with every
 * network, whatever its driver.
 */
import type { Family } from '../address.js';
import { familyIn, type NetworkFamily, type NetworkSpec } from '../network/network.js';
import type { PublishedRun } from '../ports/runs.js';
import type { BaseRules } from '../rules/plan.js';
import { type PlacedRule, place } from '../rules/rule.js';
import { answersRule, enteringRule, iccRule, insideRule, leavingRule } from './common-17-20.js';
import type { FirewallSettings, Generation } from './generation.js';
import { internalDrops } from './internal-drops.js';
import { acceptFromRules, apartRules } from './own-options/accept-from.js';
import { hostTranslation, outwardTranslation, proxyReturn, translationJumps } from './ports/nat.js';
import {
  destinationTranslation,
  openPort,
  sctpChecksum,
  selfTranslation,
  translatedFamily,
} from './ports/published-port.js';

export const docker20: Generation = {
  name: 'docker20',
  baseRules,
  networkRules,
  lanRules: (bridge, family) => [insideRule(bridge, family)],
  endpointRules: () => [],
  portRules,
  apartRules,
  orderBindings: (groups) => [...groups],
};

function baseRules(family: Family, settings: FirewallSettings): BaseRules {
  return {
    chains: [
      { table: 'nat', chain: 'DOCKER' },
      { table: 'filter', chain: 'DOCKER' },
      { table: 'filter', chain: 'DOCKER-ISOLATION-STAGE-1' },
      { table: 'filter', chain: 'DOCKER-ISOLATION-STAGE-2' },
      { table: 'filter', chain: 'DOCKER-USER' },
    ],
    rules: [
      ...translationJumps(family, settings),
      place('anchor', family, 'filter', 'FORWARD', {}, { jump: 'DOCKER-USER' }),
      place('anchor', family, 'filter', 'FORWARD', {}, { jump: 'DOCKER-ISOLATION-STAGE-1' }),
      place('end', family, 'filter', 'DOCKER-ISOLATION-STAGE-1', {}, 'RETURN'),
      place('end', family, 'filter', 'DOCKER-ISOLATION-STAGE-2', {}, 'RETURN'),
    ],
  };
}

function networkRules(
  network: NetworkSpec,
  family: Family,
  settings: FirewallSettings,
): PlacedRule[] {
  const { bridge } = network;
  const own = familyIn(network, family);
  if (network.internal) {
    if (own === undefined) return [];
    return [...internalDrops(bridge, own, 'DOCKER-ISOLATION-STAGE-1'), iccRule(network, family)];
  }
  // Docker isolates a network in both families even if it has only one.
  if (own === undefined) return isolationRules(network, family);
  return [
    ...natRules(network, own, settings),
    iccRule(network, family),
    leavingRule(bridge, family),
    enteringRule(bridge, family),
    answersRule(bridge, family),
    ...acceptFromRules(network, family, 'FORWARD'),
    ...isolationRules(network, family),
  ];
}

function natRules(
  { bridge, masquerade }: NetworkSpec,
  own: NetworkFamily,
  { userlandProxy }: FirewallSettings,
): PlacedRule[] {
  return [
    ...(masquerade ? [outwardTranslation(bridge, own)] : []),
    ...(masquerade && userlandProxy ? [proxyReturn(bridge, own.family)] : []),
    ...(userlandProxy ? [] : [hostTranslation(bridge, own)]),
  ];
}

function isolationRules({ bridge }: NetworkSpec, family: Family): PlacedRule[] {
  const leaving = { inInterface: bridge, outInterface: { not: bridge } };
  const entering = { outInterface: bridge };
  return [
    place('top', family, 'filter', 'DOCKER-ISOLATION-STAGE-1', leaving, {
      jump: 'DOCKER-ISOLATION-STAGE-2',
    }),
    place('top', family, 'filter', 'DOCKER-ISOLATION-STAGE-2', entering, 'DROP'),
  ];
}

function portRules(
  { bridge }: NetworkSpec,
  binding: PublishedRun,
  settings: FirewallSettings,
): PlacedRule[] {
  if (translatedFamily(binding) === undefined) return [];
  return [
    ...destinationTranslation(bridge, binding, settings),
    openPort(bridge, binding, 'end'),
    selfTranslation(binding),
    ...sctpChecksum(binding),
  ];
}
