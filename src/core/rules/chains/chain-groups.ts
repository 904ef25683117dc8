/**
 * Groups of chains for options that few networks have: a group is made with the first rule in one of its chains, and goes
 * when only the rules are left that every such group has. So hosts without the option have nothing of it.
 */
import type { BaseRules, RuleEdit } from '../plan.js';
import type { Rule } from '../rule.js';

/** `base` with the groups that one of these rules stands in or jumps to. */
export function withGroups(
  base: BaseRules,
  groups: readonly BaseRules[],
  rules: readonly { readonly rule: Rule }[],
): BaseRules {
  const named = new Set<string>();
  for (const { rule } of rules) {
    const { table, chain, target } = rule;
    named.add(`${table} ${chain}`);
    if (typeof target === 'object' && 'jump' in target) named.add(`${table} ${target.jump}`);
  }
  const needed = groupsNamed(groups, named);
  if (needed.length === 0) return base;
  return {
    chains: [...base.chains, ...needed.flatMap(({ chains }) => chains)],
    rules: [...base.rules, ...needed.flatMap((group) => group.rules)],
  };
}

/** The groups in whose chains one of these rules stands. */
export function groupsOf(groups: readonly BaseRules[], rules: readonly Rule[]): BaseRules[] {
  return groupsNamed(groups, new Set(rules.map(({ table, chain }) => `${table} ${chain}`)));
}

function groupsNamed(groups: readonly BaseRules[], named: ReadonlySet<string>): BaseRules[] {
  return groups.filter(({ chains }) =>
    chains.some(({ table, chain }) => named.has(`${table} ${chain}`)),
  );
}

/** Adds to the edit the groups of chains that it may leave without a rule. A repair looks at all groups anyway. */
export function withUnused(edit: RuleEdit, groups: readonly BaseRules[]): RuleEdit {
  if (edit.dropUnused !== undefined) return edit;
  const dropUnused = groupsOf(groups, edit.remove);
  return dropUnused.length === 0 ? edit : { ...edit, dropUnused };
}
