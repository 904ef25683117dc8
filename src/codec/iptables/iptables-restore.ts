/** Changes to one family's rules → `iptables-restore --noflush` text. */
import type { Table } from '../../core/rules/rule.js';
import type { RuleChange } from '../../core/rules/rule-set.js';
import { inTransactions } from '../../core/rules/transactions.js';

/**
 * Within a table the changes keep their order. Chains are created with `-N`, which fails if another
 * program has created the chain meanwhile; `:CHAIN -` would empty that program's chain.
 */
export function renderRestore(changes: readonly RuleChange[]): string {
  const lines = inTransactions(changes).flatMap(({ table, changes }) => [
    `*${table}`,
    ...changes.map(lineOf),
    'COMMIT',
  ]);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** Adds and deletes a rule that matches nothing: fails where the kernel lacks the table. */
export function renderTableProbe(table: Table): string {
  const chain = table === 'raw' || table === 'nat' ? 'PREROUTING' : 'FORWARD';
  const rule = `${chain} -i tsbridge-probe -j ACCEPT`;
  return `*${table}\n-A ${rule}\n-D ${rule}\nCOMMIT\n`;
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
