/** The text of anybody's iptables rules → what they ask, option by option. */

import type { Family } from '../../core/address.js';
import type {
  Counters,
  RuleMatch,
  RuleOption,
  RuleTable,
  RuleTarget,
  TableChain,
  TableRule,
} from '../../core/explain/chains/rule-table.js';

interface Word {
  readonly text: string;
  /** It stood in quotes, so it is a value whatever it begins with. */
  readonly quoted: boolean;
}

/** As iptables-save writes them: words between spaces; in quotes, a backslash stands before a quote or backslash. */
export function splitWords(text: string): Word[] {
  return [...text.matchAll(/"((?:[^"\\]|\\[\s\S])*)"|(\S+)/g)].map(([, quoted, bare]) =>
    quoted === undefined
      ? { text: bare ?? '', quoted: false }
      : { text: quoted.replace(/\\([\s\S])/g, '$1'), quoted: true },
  );
}

/** @param text without `-A CHAIN` */
export function readRuleText(text: string): { matches: RuleMatch[]; target?: RuleTarget } {
  const matches: { module: string; options: RuleOption[] }[] = [];
  let target: { name: string; goto: boolean; options: RuleOption[] } | undefined;
  let into: RuleOption[] | undefined;
  let negated = false;
  const words = splitWords(text);
  let at = 0;
  const values = () => {
    const found: string[] = [];
    for (; at < words.length; at += 1) {
      const word = words[at];
      if (word === undefined || (!word.quoted && (word.text === '!' || /^-./.test(word.text))))
        break;
      found.push(word.text);
    }
    return found;
  };
  while (at < words.length) {
    const { text: flag } = words[at] as Word;
    at += 1;
    if (flag === '!') {
      negated = true;
      continue;
    }
    if (flag === '-m') {
      const options: RuleOption[] = [];
      matches.push({ module: values().join(' '), options });
      into = options;
    } else if (flag === '-j' || flag === '-g') {
      const options: RuleOption[] = [];
      target = { name: values().join(' '), goto: flag === '-g', options };
      into = options;
    } else {
      if (into === undefined) {
        into = [];
        matches.push({ module: '', options: into });
      }
      // Interfaces and addresses may stand behind a match's options, too; they belong to none.
      const home = basicFlags.has(flag) ? basicOptions(matches) : into;
      home.push({ flag, negated, values: values() });
    }
    negated = false;
  }
  return target === undefined ? { matches } : { matches, target };
}

const basicFlags: ReadonlySet<string> = new Set(['-s', '-d', '-i', '-o', '-p', '-f']);

function basicOptions(matches: { module: string; options: RuleOption[] }[]): RuleOption[] {
  const found = matches.find(({ module }) => module === '');
  if (found !== undefined) return found.options;
  const options: RuleOption[] = [];
  matches.unshift({ module: '', options });
  return options;
}

/**
 * Reads what `iptables-save -c` prints, every table and chain of it, whoever made them.
 *
 * @param lines as {@link wholeLines} gives them
 */
export function readTables(
  lines: Iterable<string>,
  family: Family,
  variant: RuleTable['variant'],
): RuleTable[] {
  const tables: { name: string; chains: Map<string, MutableChain> }[] = [];
  for (const line of lines) {
    if (line.startsWith('*')) tables.push({ name: line.slice(1).trim(), chains: new Map() });
    const table = tables.at(-1);
    if (table === undefined) continue;
    const head = /^:(\S+) (\S+)(?: \[(\d+):(\d+)\])?/.exec(line);
    if (head !== null) {
      const [, name = '', policy, packets, bytes] = head;
      table.chains.set(name, chainOf(name, policy, countersOf(packets, bytes)));
    }
    const rule = /^(?:\[(\d+):(\d+)\] )?-A (\S+) ?(.*)$/s.exec(line);
    if (rule === null) continue;
    const [, packets, bytes, name = '', text = ''] = rule;
    const chain = table.chains.get(name);
    chain?.rules.push(ruleOf(chain.rules.length + 1, text.trimEnd(), countersOf(packets, bytes)));
  }
  return tables.map(({ name, chains }) => ({ family, variant, name, chains }));
}

type MutableChain = Omit<TableChain, 'rules'> & { rules: TableRule[] };

function countersOf(packets: string | undefined, bytes: string | undefined): Counters | undefined {
  return packets === undefined ? undefined : { packets: Number(packets), bytes: Number(bytes) };
}

function chainOf(
  name: string,
  policy: string | undefined,
  counters: Counters | undefined,
): MutableChain {
  if (policy !== 'ACCEPT' && policy !== 'DROP') return { name, rules: [] };
  return { name, rules: [], policy, ...(counters && { policyCounters: counters }) };
}

function ruleOf(number: number, text: string, counters: Counters | undefined): TableRule {
  return { number, text, ...readRuleText(text), ...(counters === undefined ? {} : { counters }) };
}
