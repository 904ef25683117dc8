/** One commit's changes, cut into the transactions in which the host gets them. */
import type { Table } from './rule.js';
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

export function tableOf(change: RuleChange): Table {
  return 'rule' in change ? change.rule.table : change.table;
}
