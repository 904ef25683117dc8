/**
 * The kernel's bytes of some rules, as each version of iptables writes them: `test/fixtures/rule-bytes.json`.
 * `TSBRIDGE_UPDATE_GOLDEN=1 npx tap run test/engine/byte-matrix.test.ts` writes it anew.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { probeRules } from '../../src/core/rules/probe-rules.js';
import { makeRule, probeChains, type Rule } from '../../src/core/rules/rule.js';
import { goldenRules } from './sample-rules.js';

const file = new URL('../fixtures/rule-bytes.json', import.meta.url);

/** Version → text of a rule → its bytes, in hexadecimal. */
export type RuleBytes = Record<string, Record<string, string>>;

export const readRuleBytes = (): RuleBytes => JSON.parse(readFileSync(file, 'utf8'));

export const writeRuleBytes = (bytes: RuleBytes): void =>
  writeFileSync(file, `${JSON.stringify(bytes, undefined, 1)}\n`);

/** One for each way in which a value is written. */
const samples = [
  '4 filter -d 10.6.0.2/32 ! -i br-x -o br-x -p tcp -m tcp --dport 80 -j ACCEPT',
  '4 filter -o br-x -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  '4 filter -o br-x -j DOCKER',
  '4 nat ! -i br-x -p tcp -m tcp --dport 8085 -j DNAT --to-destination 10.6.0.2:80',
  '4 nat -s 10.6.0.0/24 ! -o br-x -j SNAT --to-source 10.99.0.9',
  '6 nat ! -s fe80::/10 -d fd00:99::1/128 -p sctp -m sctp --dport 9899 -j DNAT --to-destination [fd00:6::2]:99',
  '6 filter -o br-x -p ipv6-icmp -j ACCEPT',
  '4 mangle -p sctp -m sctp --sport 99 -j CHECKSUM --checksum-fill',
];

/** Each with the examples that iptables is given for its shape. */
export function sampledRules(): { readonly rule: Rule; readonly examples: readonly Rule[] }[] {
  const known = goldenRules();
  return samples.map((text) => {
    const found = known.find((one) => `${one.family} ${one.table} ${one.text}` === text);
    if (found === undefined) throw new Error(`no golden rule ${text}`);
    const { family, table, matches, target } = found;
    const jumps = typeof target === 'object' && 'jump' in target;
    const rule = makeRule(
      ...([family, table, probeChains[0], matches] as const),
      jumps ? { jump: probeChains[1] } : target,
    );
    return { rule, examples: probeRules(found) };
  });
}

export const bytesKey = ({ family, table, text }: Rule): string => `${family} ${table} ${text}`;
