/** `iptables-save` text → {@link RuleSet}. */

import { type Table, tables } from './rule.js';
import { RuleSet } from './rule-set.js';

/**
 * Reads what `iptables-save` and `ip6tables-save` print (1.8.9 to 1.8.13, nft and legacy), with or
 * without counters. Tables that Docker does not use and lines that are no rule are passed over.
 */
export function parseSave(text: string): RuleSet {
  const found = new RuleSet();
  let table: Table | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = tables.find((name) => name === line.slice(1).trim());
    else if (table === undefined) continue;
    else if (line.startsWith(':')) {
      const [chain, policy] = line.slice(1).split(' ');
      if (chain) found.addChain(table, chain, policy === '-' ? undefined : policy);
    } else {
      const rule = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line);
      if (rule?.[1] !== undefined) found.append(table, rule[1], canonical(rule[2] ?? ''));
    }
  }
  return found;
}

/** Levels what differs between iptables versions for the rules that Docker writes. */
function canonical(text: string): string {
  return text
    .trimEnd()
    .replace(/(^| )-p (icmpv6|58)\b/, '$1-p ipv6-icmp')
    .replace(/(^| )-p 132\b/, '$1-p sctp');
}
