/** One commit's changes, cut into the transactions in which the host gets them. */
import type { Rule, Table } from './rule.js';
import type { RuleChange } from './rule-set.js';

/** The changes of one table, in their order: all of them come true, or none. */
export interface RuleTransaction {
  readonly table: Table;
  readonly changes: readonly RuleChange[];
}

/**
 * Transactions are for one table each, so the tables come in an order in which each is safe without
 * the next: drops and accepts before the translation that leads traffic there.
 */
const order: readonly Table[] = ['raw', 'mangle', 'filter', 'nat'];

export function inTransactions(changes: readonly RuleChange[]): RuleTransaction[] {
  const byTable = new Map<Table, RuleChange[]>();
  for (const change of changes) {
    const table = tableOf(change);
    const own = byTable.get(table);
    if (own === undefined) byTable.set(table, [change]);
    else own.push(change);
  }
  return order.flatMap((table) => {
    const own = byTable.get(table);
    return own === undefined ? [] : [{ table, changes: own }];
  });
}

/**
 * The kernel reports each change to all that listen, into a buffer that holds 24,000 rules (16 MiB,
 * nft 1.0.6, Linux 6.18). So many of both families fit in.
 */
const mostAtOnce = 10_000;

/** Parts that are to come true one after the other; one part, save for very many. */
export function inParts(changes: readonly RuleChange[]): (readonly RuleChange[])[] {
  if (changes.length === 0) return [];
  if (changes.length <= 2 * mostAtOnce) return [changes];
  const sorted = inTransactions(changes).flatMap((transaction) => transaction.changes);
  return Array.from({ length: Math.ceil(sorted.length / mostAtOnce) }, (_, part) =>
    sorted.slice(part * mostAtOnce, (part + 1) * mostAtOnce),
  );
}

/** In their order. */
export function addedBy(changes: readonly RuleChange[]): Rule[] {
  return changes.flatMap((change) =>
    change.op === 'append' || change.op === 'insert' ? [change.rule] : [],
  );
}

export function tableOf(change: RuleChange): Table {
  return 'rule' in change ? change.rule.table : change.table;
}
