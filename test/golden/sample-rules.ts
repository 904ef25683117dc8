/** Every rule of the golden listings, as a rule. */
import { readFileSync } from 'node:fs';
import type { Family } from '../../src/core/address.js';
import { parsePort } from '../../src/core/ports/port.js';
import { parseRule } from '../../src/core/rules/parse-rule.js';
import { makeRule, type Rule, type RuleChain, type Table } from '../../src/core/rules/rule.js';

const generations = ['docker17', 'docker20', 'docker28', 'docker29', 'compact'];

/** Each once, in the order of the files, which lists a chain's rules from top to bottom. */
export function goldenRules(): Rule[] {
  const rules = new Map<string, Rule>();
  for (const name of generations) {
    const file = new URL(`../golden/${name}.txt`, import.meta.url);
    for (const part of readFileSync(file, 'utf8').split(/^=== /m).slice(1)) {
      const [title = '', ...lines] = part.trimEnd().split('\n');
      const [, digit, table, chain] = /^IPv([46]) (\w+) (\S+):/.exec(title) ?? [];
      for (const line of digit === undefined ? [] : lines) {
        const family = Number(digit) as Family;
        const rule = readRule(family, table as Table, chain as RuleChain, line);
        rules.set(`${family} ${table} ${chain} ${line}`, rule);
      }
    }
  }
  return [...rules.values()];
}

function readRule(family: Family, table: Table, chain: RuleChain, line: string): Rule {
  const rule = parseRule(family, table, chain, line);
  if (rule !== undefined) return rule;
  // No engine's rule is read back from a host with this target.
  const sport = parsePort(Number(/^-p sctp -m sctp --sport (\d+) -j CHECKSUM/.exec(line)?.[1]));
  if (sport === undefined) throw new Error(`no rule: ${line}`);
  return makeRule(family, table, chain, { protocol: 'sctp', sourcePort: sport }, 'CHECKSUM');
}
