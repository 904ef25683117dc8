/** Other drivers' networks, as far as Docker's rules show them. */

import { type InterfaceName, parseInterfaceName } from '../names.js';
import type { RuleSet } from '../rules/rule-set.js';

/**
 * The bridges of all external networks, docker0 and our own among them: each has a jump to DOCKER. The engine does not
 * know our bridges, so the daemon isolates its networks from the engine's as the engine does among its own.
 *
 * @param chain where the jumps are: FORWARD up to 27, DOCKER-BRIDGE since 28
 */
export function forwardedBridges(
  observed: RuleSet,
  chain: 'FORWARD' | 'DOCKER-BRIDGE' = 'FORWARD',
): InterfaceName[] {
  return observed.rules('filter', chain).flatMap((text) => {
    const bridge = parseInterfaceName(/^-o (\S+) -j DOCKER$/.exec(text)?.[1] ?? '');
    return bridge === undefined ? [] : [bridge];
  });
}
