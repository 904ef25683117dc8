/** Changes of rules against what `iptables-save` lists: a diff for each chain in which something differs. */
import type { Chain, Rule, RuleText, Table } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import type { RuleDifference } from '../../operator/differences.js';
import { unifiedDiff } from './unified.js';

export interface ChainDiff {
  readonly table: string;
  readonly chain: string;
  /** Of a unified diff; `-A` lines as iptables-save prints them, and the chain's own line. */
  readonly lines: readonly string[];
}

/** @param found is not changed */
export function diffChains(found: RuleSet, differences: readonly RuleDifference[]): ChainDiff[] {
  const wanted = found.copy();
  wanted.apply(differences.map(asChange));
  const chains = new Map(
    differences.map(({ table, chain }) => [`${table} ${chain}`, { table, chain }]),
  );
  return [...chains.values()].flatMap(({ table, chain }) => {
    const [before, after] = [found, wanted].map((rules) => saved(rules, table as Table, chain));
    const lines = unifiedDiff(before ?? [], after ?? []);
    return lines.length === 0 ? [] : [{ table, chain, lines }];
  });
}

/** As `iptables-save` prints the chain; empty if there is none. */
function saved(rules: RuleSet, table: Table, name: string): string[] {
  const chain = name as Chain;
  if (!rules.hasChain(table, chain)) return [];
  const policy = rules.policy(table, chain) ?? '-';
  return [`:${chain} ${policy}`, ...rules.rules(table, chain).map((text) => `-A ${chain} ${text}`)];
}

/** What the daemon has planned; its words are those of its own rules. */
function asChange({ op, table, chain, text = '', position = 0 }: RuleDifference): RuleChange {
  const place = { table: table as Table, chain: chain as Chain };
  switch (op) {
    case 'create-chain':
    case 'delete-chain':
      return { op, ...place };
    case 'policy':
      return { op, ...place, policy: 'DROP' };
    case 'insert':
      return { op, rule: ruleOf(place, text), position };
    default:
      return { op, rule: ruleOf(place, text) };
  }
}

/** Only place and text of a rule are looked at when a change is applied. */
function ruleOf(place: { readonly table: Table; readonly chain: Chain }, text: string): Rule {
  return { ...place, text: text as RuleText } as Rule;
}
