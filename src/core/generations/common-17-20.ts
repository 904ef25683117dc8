/**
 * What 17.03 to 27 write straight into FORWARD for each network (docs/docker-bridge.md 2.1, 2.2 and
 * 2.5).
 */
import type { Family } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { NetworkSpec } from '../network/network.js';
import { type Matches, type PlacedRule, place } from '../rules/rule.js';

/** Between containers of the network: accepted above, or dropped at the very end. */
export function iccRule({ bridge, icc }: NetworkSpec, family: Family): PlacedRule {
  const inside: Matches = { inInterface: bridge, outInterface: bridge };
  return icc
    ? place('top', family, 'filter', 'FORWARD', inside, 'ACCEPT')
    : place('end', family, 'filter', 'FORWARD', inside, 'DROP');
}

/** Out of the network, to wherever isolation has not forbidden. */
export function leavingRule(bridge: InterfaceName, family: Family): PlacedRule {
  const leaving: Matches = { inInterface: bridge, outInterface: { not: bridge } };
  return place('top', family, 'filter', 'FORWARD', leaving, 'ACCEPT');
}

/** Into the network: what DOCKER accepts. */
export function enteringRule(bridge: InterfaceName, family: Family): PlacedRule {
  return place('top', family, 'filter', 'FORWARD', { outInterface: bridge }, { jump: 'DOCKER' });
}

/** Into the network: answers. */
export function answersRule(bridge: InterfaceName, family: Family): PlacedRule {
  const answers: Matches = { outInterface: bridge, established: true };
  return place('top', family, 'filter', 'FORWARD', answers, 'ACCEPT');
}
