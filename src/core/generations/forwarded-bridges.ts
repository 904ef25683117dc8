/** Other drivers' networks, as far as the rules of 17.03 to 27 show them. */

import { type InterfaceName, parseInterfaceName } from '../names.js';
import type { RuleSet } from '../rules/rule-set.js';

/**
 * The bridges of all external networks, docker0 and our own among them: each has a jump to DOCKER in
 * FORWARD. 17.03 isolates networks in pairs. The engine does not know our bridges, so the daemon writes the
 * pairs of each of our networks with the engine's (`pairRules` of docker17).
 */
export function forwardedBridges(observed: RuleSet): InterfaceName[] {
  return observed.rules('filter', 'FORWARD').flatMap((text) => {
    const bridge = parseInterfaceName(/^-o (\S+) -j DOCKER$/.exec(text)?.[1] ?? '');
    return bridge === undefined ? [] : [bridge];
  });
}
