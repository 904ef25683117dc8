/** `iptables-save` text → {@link RuleSet}. */

import { type Table, tables } from '../core/rules/rule.js';
import { RuleSet } from '../core/rules/rule-set.js';

/**
 * Reads what `iptables-save` and `ip6tables-save` print (1.8.9 to 1.8.13, nft and legacy), with or
 * without counters. Tables that Docker does not use and lines that are no rule are passed over.
 */
export function parseSave(text: string): RuleSet {
  const reader = new SaveReader();
  reader.read(text);
  return reader.found;
}

/** {@link parseSave} in parts, since 15,000 rules take 30 ms. */
export class SaveReader {
  readonly found = new RuleSet();
  #table: Table | undefined;

  /** @param text whole lines, in order */
  read(text: string): void {
    for (const line of text.split('\n')) this.#line(line);
  }

  #line(line: string): void {
    if (line.startsWith('*')) {
      this.#table = tables.find((name) => name === line.slice(1).trim());
      return;
    }
    if (this.#table === undefined) return;
    if (line.startsWith(':')) {
      const [chain, policy] = line.slice(1).split(' ');
      if (chain) this.found.addChain(this.#table, chain, policy === '-' ? undefined : policy);
      return;
    }
    const rule = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/.exec(line);
    if (rule?.[1] !== undefined) this.found.append(this.#table, rule[1], canonical(rule[2] ?? ''));
  }
}

/**
 * Rewrites what iptables versions print differently for the same rule of Docker's into one form.
 */
function canonical(text: string): string {
  const trimmed = text.trimEnd();
  const other = /(?:^| )-p (?:icmpv6|58|132)\b/.exec(trimmed);
  if (other === null) return trimmed;
  return trimmed
    .replace(/(^| )-p (icmpv6|58)\b/, '$1-p ipv6-icmp')
    .replace(/(^| )-p 132\b/, '$1-p sctp');
}
