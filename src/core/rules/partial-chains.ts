/**
 * Plans for chains in which others have rules that cannot be shown (`RuleSet.isPartial`): of our
 * rules there, only bare jumps are known to be there or not. A call's rules are added where they
 * go, since it is the call that makes them; and removed, whether they are known to be there or not.
 * A repair leaves alone what it cannot compare.
 */
import type { BaseRules, RuleEdit } from './plan.js';
import type { Rule, Table } from './rule.js';
import type { RuleChange, RuleSet } from './rule-set.js';

/** What networks share, without what cannot be compared. */
export function comparableBase(model: RuleSet, base: BaseRules): BaseRules {
  return { ...base, rules: base.rules.filter(({ rule }) => isComparable(model, rule)) };
}

/** What a repair can know to be missing, wrong or too much. */
export function comparableEdit(model: RuleSet, edit: RuleEdit): RuleEdit {
  const kept = (rules: readonly Rule[]): Rule[] =>
    rules.filter((rule) => isComparable(model, rule));
  return {
    ...edit,
    add: edit.add.filter(({ rule }) => isComparable(model, rule)),
    remove: kept(edit.remove),
    relocate: kept(edit.relocate ?? []),
    stale: kept(edit.stale ?? []),
  };
}

/** The deletions that no plan has, because it is not known whether the rules are there. */
export function blindDeletions(model: RuleSet, remove: readonly Rule[]): RuleChange[] {
  return remove
    .filter((rule) => !isComparable(model, rule) && !model.has(rule))
    .map((rule) => ({ op: 'delete', rule }));
}

/** For the log and the status. */
export function describePartial(table: Table, chain: string): string {
  return (
    `chain ${chain} of table ${table} holds rules that were written by 'nft' and that iptables cannot ` +
    'show: they are left alone, and rules of ours in that chain are not repaired; move them to a ' +
    'table of another name'
  );
}

function isComparable(model: RuleSet, rule: Rule): boolean {
  const { target, matches } = rule;
  const isBareJump =
    typeof target === 'object' && 'jump' in target && Object.keys(matches).length === 0;
  return isBareJump || !model.isPartial(rule);
}
