/** `iptables-save` text → {@link RuleSet}. */

import { type Table, tables } from '../../core/rules/rule.js';
import { RuleSet } from '../../core/rules/rule-set.js';
import { LineJoiner } from './save-lines.js';

/**
 * Reads what `iptables-save` and `ip6tables-save` print (1.8.9 to 1.8.13, nft and legacy), with or
 * without counters. Tables that Docker does not use and lines that are no rule are passed over.
 */
export function parseSave(text: string): RuleSet {
  const reader = new SaveReader();
  reader.read(text);
  return reader.rules;
}

/** A line for a rule of which only the kernel's handle is known; no rule's text is equal to it. */
export function hiddenRule(chain: string, handle: number): string {
  return `#-A ${chain} handle ${handle}`;
}

/** {@link parseSave} in parts, since 15,000 rules take 30 ms. */
export class SaveReader {
  readonly rules = new RuleSet();
  /** Tables that iptables-save says it cannot show. */
  readonly incompatible: string[] = [];
  #table: Table | undefined;
  readonly #joiner = new LineJoiner();

  /** @param text whole lines, in order */
  read(text: string): void {
    const parts = text.split('\n');
    if (parts.at(-1) === '') parts.pop();
    for (const part of parts) {
      for (const line of this.#joiner.take(part)) this.#line(line);
    }
  }

  #line(line: string): void {
    if (line.startsWith('*')) {
      this.#table = tables.find((name) => name === line.slice(1).trim());
      return;
    }
    const left = /^# Table `(\w+)' is incompatible/.exec(line)?.[1];
    if (left !== undefined) this.incompatible.push(left);
    if (this.#table === undefined) return;
    if (line.startsWith(':')) {
      const [chain, policy] = line.slice(1).split(' ');
      if (chain) this.rules.addChain(this.#table, chain, policy === '-' ? undefined : policy);
      return;
    }
    const hidden = /^#-A (\S+) (handle \d+)$/.exec(line);
    if (hidden?.[1] !== undefined) {
      this.rules.append(this.#table, hidden[1], `#${hidden[2]}`);
      this.rules.markPartial(this.#table, hidden[1]);
      return;
    }
    const rule = /^(?:\[\d+:\d+\] )?-A (\S+) ?(.*)$/s.exec(line);
    if (rule?.[1] !== undefined) this.rules.append(this.#table, rule[1], canonical(rule[2] ?? ''));
  }
}

/** The tables that are left out of this `iptables-save` text. */
export function incompatibleTables(text: string): readonly string[] {
  if (!/^# Table .* is incompatible/m.test(text)) return [];
  // A rule's comment can contain such a line, so quotes have to be followed as in any reading.
  const reader = new SaveReader();
  reader.read(text);
  return reader.incompatible;
}

/**
 * Rewrites what iptables versions print differently for the same rule of Docker's into one form.
 */
function canonical(text: string): string {
  const trimmed = text.trimEnd();
  // Rules of Docker's have no quoted text; what others have quoted stays as it is.
  if (trimmed.includes('"')) return trimmed;
  const other = /(?:^| )-p (?:icmpv6|58|132)\b/.exec(trimmed);
  if (other === null) return trimmed;
  return trimmed
    .replace(/(^| )-p (icmpv6|58)\b/, '$1-p ipv6-icmp')
    .replace(/(^| )-p 132\b/, '$1-p sctp');
}
