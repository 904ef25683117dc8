/** Changes to one family's rules → `iptables-restore --noflush` text. */
import type { Table } from '../core/firewall/rule.js';
import type { RuleChange } from '../core/firewall/rule-set.js';

/**
 * A restore is atomic for each table, not over all of them, so the tables come in an order in which
 * each is safe without the next: drops and accepts before the translation that leads traffic there.
 */
const order: readonly Table[] = ['raw', 'mangle', 'filter', 'nat'];

/**
 * Within a table the changes keep their order. Chains are made with `-N`, which fails if somebody
 * else has made the chain meanwhile: `:CHAIN -` would empty it.
 */
export function renderRestore(changes: readonly RuleChange[]): string {
  const lines: string[] = [];
  for (const table of order) {
    const own = changes.filter((change) => tableOf(change) === table);
    if (own.length === 0) continue;
    lines.push(`*${table}`, ...own.map(lineOf), 'COMMIT');
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function tableOf(change: RuleChange): Table {
  return 'rule' in change ? change.rule.table : change.table;
}

function lineOf(change: RuleChange): string {
  switch (change.op) {
    case 'create-chain':
      return `-N ${change.chain}`;
    case 'delete-chain':
      return `-X ${change.chain}`;
    case 'policy':
      return `:${change.chain} ${change.policy} [0:0]`;
    case 'append':
      return `-A ${change.rule.chain} ${change.rule.text}`;
    case 'insert':
      return `-I ${change.rule.chain} ${change.position + 1} ${change.rule.text}`;
    case 'delete':
      return `-D ${change.rule.chain} ${change.rule.text}`;
  }
}
