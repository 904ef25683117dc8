/** Cuts the changes of one commit into the transactions of the kernel. */
import type { Rule, Table } from './rule.js';
import type { RuleChange } from './rule-set.js';

/** Changes of one table, in their order: the kernel makes all of them or none. */
export interface RuleTransaction {
  readonly table: Table;
  readonly changes: readonly RuleChange[];
}

/**
 * Each transaction is for one table, so the tables come in an order that is safe if a later one fails: drops
 * and accepts before the translations that lead traffic to them.
 */
const order: readonly Table[] = ['raw', 'mangle', 'filter', 'nat'];
/**
 * Tables whose rules keep packets out. The deletions at the end of such a table's changes go last, after the other tables:
 * if deleting a translation failed after its guard is gone, everybody would get in.
 */
const guarding: ReadonlySet<Table> = new Set(['raw', 'mangle']);

export function inTransactions(changes: readonly RuleChange[]): RuleTransaction[] {
  const byTable = new Map<Table, RuleChange[]>();
  for (const change of changes) {
    const table = tableOf(change);
    const own = byTable.get(table);
    if (own === undefined) byTable.set(table, [change]);
    else own.push(change);
  }
  const first: RuleTransaction[] = [];
  const last: RuleTransaction[] = [];
  for (const table of order) {
    const own = byTable.get(table) ?? [];
    const end = guarding.has(table)
      ? own.findLastIndex((each) => !isDeletion(each)) + 1
      : own.length;
    if (end > 0) first.push({ table, changes: own.slice(0, end) });
    if (end < own.length) last.push({ table, changes: own.slice(end) });
  }
  return [...first, ...last];
}

const isDeletion = ({ op }: RuleChange): boolean => op === 'delete' || op === 'delete-chain';

/**
 * The kernel reports each change into the buffer of every listener, which in the daemon holds 24,000
 * rules (16 MiB, Linux 6.18): a part of this size of each family fits in.
 */
const mostAtOnce = 10_000;

/**
 * Cuts changes into parts that are committed one after the other; only very many changes make more than one.
 *
 * @param most changes in a part; up to twice as many stay together
 */
export function inParts(
  changes: readonly RuleChange[],
  most = mostAtOnce,
): (readonly RuleChange[])[] {
  if (changes.length === 0) return [];
  if (changes.length <= 2 * most) return [changes];
  const sorted = inTransactions(changes).flatMap((transaction) => transaction.changes);
  return Array.from({ length: Math.ceil(sorted.length / most) }, (_, part) =>
    sorted.slice(part * most, (part + 1) * most),
  );
}

/** The rules that the changes add, in order. */
export function addedBy(changes: readonly RuleChange[]): Rule[] {
  return changes.flatMap((change) =>
    change.op === 'append' || change.op === 'insert' ? [change.rule] : [],
  );
}

/** The rules that the changes delete, in order. */
export function deletedBy(changes: readonly RuleChange[]): Rule[] {
  return changes.flatMap((change) => (change.op === 'delete' ? [change.rule] : []));
}

export function tableOf(change: RuleChange): Table {
  return 'rule' in change ? change.rule.table : change.table;
}
