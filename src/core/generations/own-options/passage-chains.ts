/**
 * The chains in which the rules of the passage stand (`passage.ts`, `egress.ts`), and how a rule is put into one.
 *
 * Exceptions stand in one chain and drops in another one, to which the first one leads at its end. So the order within
 * a chain has no effect, and a rule that is repaired belongs where it is put.
 */
import type { Family } from '../../address.js';
import type { InterfaceName } from '../../names.js';
import type { BaseRules } from '../../rules/plan.js';
import { type Matches, type OwnedChain, type PlacedRule, place } from '../../rules/rule.js';

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

/** Lets pass what matches. */
export const exempt = (family: Family, chain: OwnedChain, matches: Matches): PlacedRule =>
  place('top', family, 'mangle', chain, matches, 'RETURN');
/** Drops what matches, and what no rule in the chain of exceptions has let pass. */
export const drop = (family: Family, chain: OwnedChain, matches: Matches): PlacedRule =>
  place('end', family, 'mangle', chain, matches, 'DROP');
