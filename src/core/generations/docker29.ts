/**
 * The rules of Docker 29 with its iptables backend: as 28, but networks are isolated by the drop
 * of unpublished ports alone, and internal ones in `DOCKER-INTERNAL`.
 *
 * Source: docs/docker-bridge.md 1.2, 2.4 and 3.4; texts and order as observed on 29.
 */
import type { Family } from '../address.js';
import { familyIn, type NetworkSpec } from '../network/network.js';
import { orderPortGroups } from '../ports/order.js';
import type { BaseRules } from '../rules/plan.js';
import { type PlacedRule, place } from '../rules/rule.js';
import {
  directAccessDrops,
  forwardChainBase,
  forwardChainRules,
  internalIcc,
  publishedPortRules,
  routedPortRules,
} from './common-28-29.js';
import type { FirewallSettings, Generation } from './generation.js';
import { internalDrops } from './internal-drops.js';
import { apartRawRules } from './own-options/accept-from.js';

export const docker29: Generation = {
  name: 'docker29',
  baseRules,
  networkRules,
  lanRules: (bridge, family) => [internalIcc({ bridge, icc: true }, family)],
  endpointRules: directAccessDrops,
  apartRules: apartRawRules,
  portRules: publishedPortRules,
  routedPortRules,
  opensRoutedAtJoin: true,
  orderBindings: orderPortGroups,
};

function baseRules(family: Family, settings: FirewallSettings): BaseRules {
  const { bridgeAcceptFwmark: mark } = settings;
  const { chains, rules } = forwardChainBase(family, settings, ['DOCKER-INTERNAL']);
  if (mark === undefined) return { chains, rules };
  const accept = place('anchor', family, 'filter', 'DOCKER-FORWARD', { mark }, 'ACCEPT');
  return { chains, rules: [accept, ...rules] };
}

function networkRules(
  network: NetworkSpec,
  family: Family,
  settings: FirewallSettings,
): PlacedRule[] {
  const own = familyIn(network, family);
  if (own === undefined) return [];
  if (!network.internal) return forwardChainRules(network, own, settings);
  return [...internalDrops(network.bridge, own, 'DOCKER-INTERNAL'), internalIcc(network, family)];
}
