/** Counts the desired rules, for metrics. */
import type { Family } from '../../core/address.js';
import { withGroups } from '../../core/rules/chains/chain-groups.js';
import type { Table } from '../../core/rules/rule.js';
import { RuleSet } from '../../core/rules/rule-set.js';
import { Yielding } from '../../yielding.js';
import type { DesiredRules } from './desired-rules.js';

/** Milliseconds of counting before others get their turn; short, since calls of the engine come first. */
const countingTurnMs = 2;

/** How many desired rules each table has. Those between our networks and networks of others are not counted. */
export async function countRules(
  desired: DesiredRules,
  family: Family,
): Promise<ReadonlyMap<Table, number>> {
  const counts = new Map<Table, number>();
  if (!desired.writes(family) || desired.networks.length === 0) return counts;
  const all = await desired.ofAll(family, new RuleSet(), new Yielding(undefined, countingTurnMs));
  const base = withGroups(desired.base(family), desired.groups(family), all);
  for (const { rule } of [...all, ...base.rules]) {
    counts.set(rule.table, (counts.get(rule.table) ?? 0) + 1);
  }
  return counts;
}
