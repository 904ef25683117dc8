/**
 * Rules of ours that are there, but not as they should be: twice, or above what belongs above them.
 */
import type { PlacedRule, Rule } from './rule.js';
import type { RuleSet } from './rule-set.js';

/**
 * Whether the rule keeps its place among the rules of others, whatever becomes of its copies: if a
 * drop of ours went below an administrator's ACCEPT in FORWARD, it would have no effect any more.
 * In POSTROUTING only the container's own packets to itself are at stake, and rules are many.
 */
export function staysInPlace({ rule }: PlacedRule): boolean {
  return rule.chain === 'FORWARD' || rule.chain === 'PREROUTING' || rule.chain === 'OUTPUT';
}

/**
 * The rules to take away, in all their copies, so that a plan puts them where they belong.
 *
 * Of those that go to the end of a chain the order counts (an exception comes before its drop): if
 * one is missing that belongs above another, which is there, the latter has to come back below it.
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
    if (place !== 'end') continue;
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

/** Those that are there more than once, as after `iptables-restore --noflush` of a dump. */
export function repeatedRules(model: RuleSet, group: readonly PlacedRule[]): Rule[] {
  return group.flatMap((placed) =>
    model.count(placed.rule) > 1 && !staysInPlace(placed) ? [placed.rule] : [],
  );
}
