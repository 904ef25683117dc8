/**
 * Rules of ours that exist, but twice, or above rules that belong above them.
 */
import type { PlacedRule, Rule } from './rule.js';
import type { RuleSet } from './rule-set.js';

/**
 * Whether the first of several copies has to stay at its place among the rules of others: a drop of ours
 * would have no effect below an administrator's ACCEPT in FORWARD. In POSTROUTING the place matters only for
 * packets of a container to itself, and rules are many, so it is not kept.
 */
export function staysInPlace({ rule }: PlacedRule): boolean {
  return rule.chain === 'FORWARD' || rule.chain === 'PREROUTING' || rule.chain === 'OUTPUT';
}

/**
 * Whether the order of our rules in the chain has no effect: in POSTROUTING each is about the packets of one
 * container to itself. Such a rule is not moved below an administrator's for the sake of order.
 */
function isOrderless({ rule }: PlacedRule): boolean {
  return rule.chain === 'POSTROUTING';
}

/**
 * The rules to delete, with all copies, so that a plan adds them again where they belong.
 *
 * The order of rules at the end of a chain matters, since an exception has to come before its drop. If a
 * missing rule belongs above an existing one, the existing one is deleted and added again below it.
 *
 * @param group the rules of one network, in programming order
 */
export function disorderedRules(model: RuleSet, group: readonly PlacedRule[]): Rule[] {
  const disordered = new Set<Rule>();
  const chains = new Map<string, Rule[]>();
  for (const placed of group) {
    const { rule, place } = placed;
    if (staysInPlace(placed)) continue;
    if (model.count(rule) > 1) disordered.add(rule);
    if (place !== 'end' || isOrderless(placed)) continue;
    const key = `${rule.table} ${rule.chain}`;
    chains.set(key, [...(chains.get(key) ?? []), rule]);
  }
  for (const rules of chains.values()) {
    const first = rules.findIndex((rule) => !model.has(rule) || model.count(rule) > 1);
    if (first < 0) continue;
    for (const rule of rules.slice(first)) if (model.has(rule)) disordered.add(rule);
  }
  return [...disordered];
}

/** The rules of which there are several copies, as after `iptables-restore --noflush` of a dump. */
export function repeatedRules(model: RuleSet, group: readonly PlacedRule[]): Rule[] {
  return group.flatMap((placed) =>
    model.count(placed.rule) > 1 && !staysInPlace(placed) ? [placed.rule] : [],
  );
}
