/**
 * `--internal`: nothing passes between the bridge and addresses outside of the network's subnet.
 */

import type { InterfaceName } from '../names.js';
import type { NetworkFamily } from '../network/network.js';
import { type Matches, type PlacedRule, place, type RuleChain } from '../rules/rule.js';

/** @param chain the chain in which this generation isolates networks (docs/docker-bridge.md 2.6) */
export function internalDrops(
  bridge: InterfaceName,
  { family, subnet }: NetworkFamily,
  chain: RuleChain,
): PlacedRule[] {
  // As 26.1: IPv6 link-local and multicast packets between ports of the bridge are not dropped.
  const leaving: Matches = family === 6 ? { outInterface: { not: bridge } } : {};
  const entering: Matches = family === 6 ? { inInterface: { not: bridge } } : {};
  const outward: Matches = { ...leaving, inInterface: bridge, destination: { not: subnet } };
  const inward: Matches = { ...entering, outInterface: bridge, source: { not: subnet } };
  return [
    place('top', family, 'filter', chain, outward, 'DROP'),
    place('top', family, 'filter', chain, inward, 'DROP'),
  ];
}
