/** Rules by the kernel's numbers → text for `nft -f -`: one transaction over all tables. */
import type { Family } from '../core/address.js';
import type { HandledRule } from '../core/firewall/handles.js';

export function renderDeletion(family: Family, rules: readonly HandledRule[]): string {
  const ip = family === 4 ? 'ip' : 'ip6';
  return rules
    .map(({ table, chain, handle }) => `delete rule ${ip} ${table} ${chain} handle ${handle}\n`)
    .join('');
}
