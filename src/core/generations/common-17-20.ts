/**
 * What 17.03 to 27 write straight into FORWARD for each network (docs/docker-bridge.md 2.1, 2.2 and
 * 2.5).
 */
import type { Family } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { NetworkSpec } from '../network/network.js';
import { type Matches, type PlacedRule, place } from '../rules/rule.js';

/** Traffic between containers of the network: accepted at the top, or without icc dropped at the end. */
export function iccRule({ bridge, icc }: NetworkSpec, family: Family): PlacedRule {
  const inside: Matches = { inInterface: bridge, outInterface: bridge };
  return icc
    ? insideRule(bridge, family)
    : place('end', family, 'filter', 'FORWARD', inside, 'DROP');
}

/** Accepts what passes inside of a bridge. */
export function insideRule(bridge: InterfaceName, family: Family): PlacedRule {
  const inside: Matches = { inInterface: bridge, outInterface: bridge };
  return place('top', family, 'filter', 'FORWARD', inside, 'ACCEPT');
}

/** Accepts what leaves the network; the isolation chains above have dropped what goes to other networks. */
export function leavingRule(bridge: InterfaceName, family: Family): PlacedRule {
  const leaving: Matches = { inInterface: bridge, outInterface: { not: bridge } };
  return place('top', family, 'filter', 'FORWARD', leaving, 'ACCEPT');
}

/** Leads what enters the network to chain DOCKER, which accepts published ports. */
export function enteringRule(bridge: InterfaceName, family: Family): PlacedRule {
  return place('top', family, 'filter', 'FORWARD', { outInterface: bridge }, { jump: 'DOCKER' });
}

/** Accepts answers that enter the network. */
export function answersRule(bridge: InterfaceName, family: Family): PlacedRule {
  const answers: Matches = { outInterface: bridge, established: true };
  return place('top', family, 'filter', 'FORWARD', answers, 'ACCEPT');
}
