/**
 * Plans for chains in which other programs have rules that iptables cannot print (`RuleSet.isPartial`). Of
 * our rules in such a chain, only bare jumps can be seen. A call still adds its rules there, and removes
 * them, without knowing whether they exist; a repair changes only what it can see.
 */
import type { BaseRules, RuleEdit } from '../plan.js';
import type { Rule, Table } from '../rule.js';
import type { RuleChange, RuleSet } from '../rule-set.js';

/** The base rules without those of which it cannot be seen whether they exist. */
export function comparableBase(model: RuleSet, base: BaseRules): BaseRules {
  return { ...base, rules: base.rules.filter(({ rule }) => isComparable(model, rule)) };
}

/** The part of a repair's edit about rules of which it can be seen whether they exist. */
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

/** Deletions of rules of which it cannot be seen whether they exist: a plan does not have these. */
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
