/** `tsbridge drops`: which rules and policies drop packets at the moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Drops, dropsBetween } from '../../../core/explain/drops.js';
import { reportCommand } from '../../define.js';
import type { Column } from '../../output/table.js';
import type { DropItem } from '../../schemas/drops.js';
import { optional } from '../../table/entry.js';
import { duration } from '../../table/kinds.js';

const columns: readonly Column<DropItem>[] = [
  {
    key: 'rate',
    title: 'PACKETS/s',
    about: 'packets that it has dropped or rejected in a second',
    rank: 0,
    align: 'right',
    cell: ({ packetsPerSecond }) => packetsPerSecond.toFixed(1),
    order: ({ packetsPerSecond }) => packetsPerSecond,
  },
  {
    key: 'where',
    title: 'WHERE',
    about: 'the table, the chain, and the position of the rule in it',
    rank: 0,
    cell: ({ family, variant, table, chain, number }) =>
      [...labels(family, variant), table, chain, number ?? 'policy'].join(' '),
  },
  {
    key: 'whose',
    title: 'WHOSE',
    about: 'whose rule it seems to be',
    rank: 1,
    cell: ({ owner }) => owner ?? '',
  },
  {
    key: 'rule',
    title: 'RULE',
    about: 'its text',
    rank: 2,
    cell: ({ rule }) => rule ?? '',
  },
  {
    key: 'total',
    title: 'TOTAL',
    about: 'packets that it has counted since it was written',
    rank: 3,
    align: 'right',
    cell: ({ totalPackets }) => String(totalPackets),
    order: ({ totalPackets }) => totalPackets,
  },
  {
    key: 'more',
    title: 'MORE',
    about: 'a command that tells more of it',
    rank: 1,
    cell: ({ command }) => command,
  },
];

/** Words in front of the table: none for IPv4 of iptables-nft, which is the usual case. */
function labels(family: string, variant: DropItem['variant']): string[] {
  if (variant === 'native') return ['nft', family];
  return [...(family === 'ip6' ? ['ip6'] : []), ...(variant === 'legacy' ? ['legacy'] : [])];
}

export const dropsCommand = reportCommand({
  name: 'drops',
  summary: 'which rules and policies drop packets at the moment, and whose they are',
  about: [
    'Reads the counters of all rules twice, of both variants of iptables for IPv4 and IPv6 and of tables that programs have made by ' +
      'nft itself, and shows what drops or rejects packets and has counted some in between. No rule is added. What the kernel ' +
      'drops outside of rules, such as by the reverse path filter, is not in it.',
    'Policies of nft’s own chains and rules without a counter are not counted by the kernel: they are named.',
  ],
  words: {},
  flags: { for: optional(duration(0.1, 3_600), 'how long the counters are watched (1)') },
  watch: true,
  examples: [
    { line: 'tsbridge drops', does: 'within a second' },
    { line: 'tsbridge drops --for 30', does: 'what is dropped seldom' },
    {
      line: 'tsbridge drops --watch --json',
      does: 'for programs: a line whenever something changed',
    },
  ],
  exits: {
    ok: 'nothing was dropped by a rule or a policy that counts',
    failed: 'could not be done',
    usage: 'wrong command line',
    differs: 'packets are being dropped',
    unclear: 'nothing was counted, and something drops without counting, or could not be read',
  },
  schema: 'drops',
  async ask({ flags }) {
    const { readDropPoints } = await import('../../../host/look/drops.js');
    const before = await readDropPoints();
    const began = performance.now();
    await sleep(flags.for ?? 1_000);
    const after = await readDropPoints();
    const seconds = (performance.now() - began) / 1_000;
    const items = dropsBetween(before.points, after.points).map((each) => itemOf(each, seconds));
    const notCounted = after.points
      .filter(({ counters }) => counters === undefined)
      .map(({ family, table, chain, rule }) =>
        [family, table, chain, rule ?? 'policy drop'].join(' '),
      );
    const told = notCounted.length === 0 ? [] : [`not counted: ${notCounted.join('; ')}`];
    const warnings = [...after.warnings, ...told];
    return { source: 'host', warnings, items, more: { seconds, notCounted } };
  },
  show: columns,
  exit: ({ items, warnings }) => {
    if (items.length > 0) return 'differs';
    return warnings.length > 0 ? 'unclear' : 'ok';
  },
});

function itemOf(drops: Drops, seconds: number): DropItem {
  const { family, variant, table, chain, number, rule, owner, meanwhile, counters } = drops;
  return {
    ...{ family, variant, table, chain, command: drops.command },
    ...{ number: number ?? null, rule: rule ?? null, owner: owner ?? null },
    ...{ packets: meanwhile.packets, bytes: meanwhile.bytes },
    packetsPerSecond: meanwhile.packets / seconds,
    totalPackets: counters.packets,
  };
}
