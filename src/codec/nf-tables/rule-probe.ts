/** Text for `iptables-restore --noflush` by which iptables shows how it writes rules. */
import { probeChains, type Rule, type Table } from '../../core/rules/rule.js';

/**
 * One transaction that makes the probe's chains, adds the rules, and removes all of it again: the kernel
 * reports the rules to those who listen, and no packet and no listing ever meets them.
 *
 * @param rules of this table, in the first one of {@link probeChains}
 */
export function renderProbe(table: Table, rules: readonly Rule[]): string {
  const lines = [
    ...probeChains.map((chain) => `-N ${chain}`),
    ...rules.map(({ chain, text }) => `-A ${chain} ${text}`),
    // One by one: iptables does not send rules to the kernel whose chain it is to flush later.
    ...rules.map(({ chain }) => `-D ${chain} 1`),
    ...probeChains.map((chain) => `-X ${chain}`),
  ];
  return `*${table}\n${lines.join('\n')}\nCOMMIT\n`;
}
