/** `tsbridge diff`: shows how the observed host differs from the desired one. */
import { parseSave } from '../../../codec/iptables/iptables-save.js';
import type { Family } from '../../../core/address.js';
import { RuleSet } from '../../../core/rules/rule-set.js';
import type { Differences } from '../../../operator/differences.js';
import { reportCommand } from '../../define.js';
import { diffChains } from '../../diff/chains.js';
import type { readInventory } from '../../inventory/read.js';
import { joined, plain, type TerminalText } from '../../output/fit.js';
import type { Paint } from '../../output/style.js';
import { insteadOf } from '../../records.js';
import type { DiffItem } from '../../schemas/diff.js';
import { flag } from '../../table/entry.js';

export const diffCommand = reportCommand({
  name: 'diff',
  summary: 'what is wanted against what was found, as a diff of iptables-save lines',
  about: [
    'For each chain in which something differs, a unified diff of its rules as iptables-save prints them: + is missing ' +
      'on the host, - is too much. Rules of others are shown where they stand, and never count. Interfaces, settings and ' +
      'sockets follow, a line each. Nothing is changed; tsbridge reconcile does it.',
    'While the daemon does not run, the host is compared with its records: what the next start would change. Sockets, which ' +
      'the proxy process holds, and zones of firewalld are not compared then, and the answer says so.',
  ],
  words: {},
  flags: { quiet: flag('print nothing: the exit status says it') },
  watch: true,
  examples: [
    { line: 'tsbridge diff', does: 'what a repair would change now' },
    { line: 'tsbridge diff --quiet', does: 'for scripts: exit status 0 if nothing differs' },
  ],
  exits: {
    ok: 'nothing differs',
    failed: 'neither the daemon nor its records, or the host, could be read',
    usage: 'wrong command line',
    differs: 'something differs',
  },
  schema: 'diff',
  timeoutMs: 60_000,
  async ask({ config, request }) {
    const { source, warnings, rules, others } = await compared({ config, request });
    const items: DiffItem[] = [];
    for (const { family, changes } of rules) {
      if (changes.length === 0) continue;
      const concern = 'rules';
      for (const { table, chain, lines } of diffChains(await readRules(family), changes)) {
        items.push({ concern, family, table, chain, lines });
      }
    }
    for (const { concern, lines } of others) {
      if (lines.length === 0) continue;
      const changed = lines.map((line) => `+${line}`);
      items.push({ concern, family: null, table: null, chain: null, lines: changed });
    }
    return { source, warnings, items };
  },
  show: ({ items }, { flags, paint }) => {
    if (flags.quiet) return joined([]);
    if (items.length === 0) return plain`Nothing differs.\n`;
    return joined(items.map((item) => shown(item, paint)));
  },
  exit: ({ items }) => (items.length === 0 ? 'ok' : 'differs'),
});

type Asking = Pick<Parameters<typeof readInventory>[0], 'config' | 'request'>;

/** The differences that the daemon finds; while it does not run, those from its records. */
async function compared({ config, request }: Asking) {
  try {
    const found = await request<Differences>('GET', '/v1/differences');
    return { source: 'daemon' as const, warnings: [], ...found };
  } catch (error) {
    return insteadOf(error, async (reason) => {
      const { differencesByRecords } = await import('../../diff/by-records.js');
      const read = async (family: Family) =>
        family === 6 && config.ip6tables === false ? undefined : await findRules(family);
      const { differences, unreadable } = await differencesByRecords(config, read);
      const warnings = [
        `compared with its records, without sockets and zones of firewalld: ${reason}`,
        ...unreadable,
      ];
      return { source: 'records' as const, warnings, ...differences };
    });
  }
}

/** Reads the host's rules in this process: from the daemon, thousands of lines would have to pass its socket. */
async function readRules(family: Family): Promise<RuleSet> {
  return (await findRules(family)) ?? new RuleSet();
}

/** undefined: the host has no iptables for the family. */
async function findRules(family: Family): Promise<RuleSet | undefined> {
  const { detectVariant } = await import('../../../host/iptables/variant.js');
  const { runCommand } = await import('../../../host/process/exec.js');
  const commands = await detectVariant(family);
  if (commands === undefined) return undefined;
  const { stdout } = await runCommand(commands.save, [], { timeoutMs: 30_000 });
  return parseSave(stdout);
}

function shown({ concern, family, table, chain, lines }: DiffItem, paint: Paint): TerminalText {
  const tool = family === 6 ? 'ip6tables' : 'iptables';
  const what = family === null ? concern : `${tool} -t ${table} ${chain}`;
  const colour = (line: string) => {
    if (line.startsWith('+')) return paint('green', line);
    return paint(line.startsWith('-') ? 'red' : 'dim', line);
  };
  return joined([
    plain`${paint('bold', `--- found: ${what}`)}\n${paint('bold', `+++ wanted: ${what}`)}\n`,
    ...lines.map((line) => plain`${colour(line)}\n`),
  ]);
}
