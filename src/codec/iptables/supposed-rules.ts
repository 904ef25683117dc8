/** Rules for `explain --with` and `--without`, as one types them for iptables. */
import type { RemovedRule, SupposedRule } from '../../core/explain/supposed.js';
import { readRuleText, splitWords } from './iptables-words.js';

/** What iptables takes in place of the names that iptables-save prints. */
const shortNames: Readonly<Record<string, string>> = {
  ...{ '--table': '-t', '--append': '-A', '--insert': '-I', '--delete': '-D' },
  ...{
    '--protocol': '-p',
    '--proto': '-p',
    '--source': '-s',
    '--src': '-s',
    '--destination': '-d',
  },
  ...{ '--dst': '-d', '--in-interface': '-i', '--out-interface': '-o', '--match': '-m' },
  ...{ '--jump': '-j', '--goto': '-g', '--fragment': '-f' },
  ...{ '--source-port': '--sport', '--destination-port': '--dport' },
};
/** Protocols that bring a match of their names along. */
const withMatch: Readonly<Record<string, string>> = {
  ...{ tcp: 'tcp', udp: 'udp', sctp: 'sctp', dccp: 'dccp', udplite: 'udplite', icmp: 'icmp' },
  ...{ icmpv6: 'icmp6', 'ipv6-icmp': 'icmp6' },
  ...{ 1: 'icmp', 6: 'tcp', 17: 'udp', 33: 'dccp', 58: 'icmp6', 132: 'sctp', 136: 'udplite' },
};
/** Options of those matches: they are the protocol's wherever they stand behind `-p`. */
const ofProtocols: ReadonlySet<string> = new Set([
  ...['--sport', '--dport', '--syn', '--tcp-flags', '--tcp-option', '--chunk-types'],
  ...['--dccp-types', '--dccp-option', '--icmp-type', '--icmpv6-type'],
]);
/** Options that belong to no match, and how many values they have; iptables takes each once. */
const basicFlags: ReadonlyMap<string, number> = new Map([
  ...(['-s', '-d', '-i', '-o', '-p'] as const).map((flag) => [flag, 1] as const),
  ['-f', 0],
]);
/** Of these explain asks nothing: an option of another match must not get lost among theirs. */
const askingNothing: Readonly<Record<string, string>> = {
  comment: '--comment',
  nfacct: '--nfacct-name',
};
const withoutOptions: ReadonlySet<string> = new Set(['ACCEPT', 'DROP', 'RETURN']);
const tableNames: ReadonlySet<string> = new Set(['raw', 'mangle', 'nat', 'filter', 'security']);
const chainPattern = /^[^\s!-][^\s]{0,28}$/;

/**
 * `[-t TABLE] -A CHAIN RULE` or `[-t TABLE] -I CHAIN [NUMBER] RULE`; undefined for anything else, and for what iptables
 * would refuse, too: a rule of which a part is left out decides otherwise.
 */
export function parseSupposed(text: string): SupposedRule | undefined {
  const command = parseCommand(text);
  if (command === undefined || (command.verb !== '-A' && command.verb !== '-I')) return undefined;
  const { verb, table, chain, rest } = command;
  const position = verb === '-I' ? positionIn(rest) : undefined;
  const words = position === undefined ? rest : rest.slice(1);
  if (words.length === 0 || !words[0]?.text.match(/^[-!]/)) return undefined;
  const rule = ruleText(words);
  const read = readRuleText(rule);
  if (!isWhole(words, read)) return undefined;
  return {
    ...{ kind: 'with', table, chain },
    ...(verb === '-A' ? {} : { position: position ?? 1 }),
    rule: { text: rule, ...read },
  };
}

/** Whether nothing of the words is lost in what was read, or means something else there. */
function isWhole(words: readonly Word[], { matches, target }: ReturnType<typeof readRuleText>) {
  const flags = words.map(({ text, quoted }) => (quoted ? '' : text));
  const countOf = (...some: readonly string[]) =>
    flags.filter((each) => some.includes(each)).length;
  const canBeNegated = (flag = '') => flag.startsWith('--') || basicFlags.has(flag);
  const basic = matches.filter(({ module }) => module === '').flatMap(({ options }) => options);
  const modules = matches.filter(({ module }) => module !== '');
  const names = [...modules.map(({ module }) => module), ...(target ? [target.name] : [])];
  const targetFlags = target?.options.map(({ flag }) => flag) ?? [];
  return (
    !flags.some((flag, index) => flag === '!' && !canBeNegated(flags[index + 1])) &&
    // A quote that was not closed.
    !flags.some((flag) => flag.includes('"')) &&
    countOf('-j', '-g') === (target ? 1 : 0) &&
    countOf('-m') <= modules.length &&
    names.every((name) => /^[^\s-]\S*$/.test(name)) &&
    new Set(basic.map(({ flag }) => flag)).size === basic.length &&
    basic.every(({ flag, values }) => basicFlags.get(flag) === values.length) &&
    modules.every(({ module, options }) => options.every(({ flag }) => belongs(flag, module))) &&
    targetFlags.every((flag) => flag.startsWith('--') && !ofProtocols.has(flag)) &&
    !(targetFlags.length > 0 && withoutOptions.has(target?.name ?? ''))
  );
}

function belongs(flag: string, module: string): boolean {
  const own = askingNothing[module];
  return own === undefined ? flag.startsWith('--') : flag === own;
}

/** `[-t TABLE] [-D] CHAIN NUMBER`, or a rule as iptables-save prints it, `[-t TABLE] -A CHAIN RULE` (or `-D`). */
export function parseRemoved(text: string): RemovedRule | undefined {
  const command = parseCommand(text);
  if (command === undefined || command.verb === '-I') return undefined;
  const { verb, table, chain, rest } = command;
  const number = positionIn(rest);
  if (number !== undefined && rest.length === 1 && verb !== '-A') {
    return { kind: 'without', table, chain, which: number };
  }
  if (verb === undefined || rest.length === 0) return undefined;
  return { kind: 'without', table, chain, which: ruleText(rest) };
}

type Word = ReturnType<typeof splitWords>[number];

function parseCommand(text: string) {
  if (!/^\P{Cc}{1,1000}$/u.test(text)) return undefined;
  const words = splitWords(inDoubleQuotes(text)).flatMap((word) =>
    word.quoted ? word : inTwo(word),
  );
  let table = 'filter';
  if (words[0]?.text === '-t') {
    table = words[1]?.text ?? '';
    words.splice(0, 2);
  }
  const verb = (['-A', '-I', '-D'] as const).find((each) => each === words[0]?.text);
  const [chain, ...rest] = words.slice(verb === undefined ? 0 : 1);
  if (!tableNames.has(table) || chain === undefined || !chainPattern.test(chain.text))
    return undefined;
  return { verb, table, chain: chain.text, rest };
}

/** A shell takes both kinds of quotes, iptables-save prints one. */
function inDoubleQuotes(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|'([^']*)'/g, (all, inner: string | undefined) =>
    inner === undefined ? all : `"${inner.replace(/["\\]/g, '\\$&')}"`,
  );
}

/**
 * `--dport=80` is an option and its value; of `--jump=DROP` and the like iptables refuses this form. Long names are made
 * short.
 */
function inTwo({ text }: Word): Word[] {
  const [, name = text, value] = /^(--[a-z0-9-]+)=(.+)$/.exec(text) ?? [];
  const short = shortNames[name] ?? name;
  const words = value === undefined ? [short] : short.startsWith('--') ? [short, value] : [text];
  return words.map((each) => ({ text: each, quoted: false }));
}

function positionIn([first]: readonly Word[]): number | undefined {
  return first !== undefined && /^[1-9]\d{0,5}$/.test(first.text) ? Number(first.text) : undefined;
}

/** Writes a rule as iptables-save would: with `-m tcp` before options of TCP, which one need not type. */
function ruleText(words: readonly Word[]): string {
  const parts: string[] = [];
  let implied: string | undefined;
  /** The match whose options come. */
  let home = '';
  for (const [index, { text, quoted }] of words.entries()) {
    const isFlag = !quoted && text.startsWith('-');
    if (isFlag && (text === '-m' || text === '-j' || text === '-g')) {
      home = text === '-m' ? (words[index + 1]?.text ?? '') : '';
    }
    if (isFlag && implied !== undefined && home !== implied && ofProtocols.has(text)) {
      const negates = parts.at(-1) === '!';
      parts.splice(negates ? -1 : parts.length, 0, '-m', implied);
      home = implied;
    }
    if (isFlag && text === '-p') implied = withMatch[words[index + 1]?.text ?? ''];
    parts.push(quoted ? `"${text.replace(/["\\]/g, '\\$&')}"` : text);
  }
  return parts.join(' ');
}
