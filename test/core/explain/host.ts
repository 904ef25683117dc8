/** A small host for tests of explanations: its rules as text, and what it answers. */
import { readTables } from '../../../src/codec/iptables/iptables-words.js';
import { readNativeTable } from '../../../src/codec/nft/native-tables.js';
import { type Family, type IpAddress, parseIp } from '../../../src/core/address.js';
import type { RuleTable } from '../../../src/core/explain/chains/rule-table.js';
import { type Explanation, explain } from '../../../src/core/explain/explain.js';
import { type AnswerOf, Answers, type Question } from '../../../src/core/explain/facts.js';
import type { NativeTable } from '../../../src/core/explain/native/native-table.js';
import { firstPacket, type Packet, type PacketInput } from '../../../src/core/explain/packet.js';

export type Answering = Partial<{
  [Kind in Question['kind']]: (question: Extract<Question, { kind: Kind }>) => AnswerOf[Kind];
}>;

/** The host has 192.0.2.1 and 2001:db8::1; everything else is behind eth1. */
const usual: Answering = {
  route: ({ destination }) =>
    own.includes(destination) ? { to: 'host' } : { to: 'interface', outInterface: 'eth1' },
  'address-type': ({ address }) => (own.includes(address) ? 'LOCAL' : 'UNICAST'),
  'interface-address': ({ family }) => (family === 4 ? ip('192.0.2.1') : ip('2001:db8::1')),
  bridged: () => false,
};
const own: readonly string[] = ['192.0.2.1', '2001:db8::1', '127.0.0.1', '::1'];

export function ip(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
}

/** A SYN from 198.51.100.9:40000 to 192.0.2.1:80 that comes by eth0; `input` says what is different. */
export function packet(input: Partial<PacketInput> = {}): Packet {
  return firstPacket({
    family: 4,
    protocol: 6,
    source: ip('198.51.100.9'),
    destination: ip('192.0.2.1'),
    sourcePort: 40_000,
    destinationPort: 80,
    inInterface: 'eth0',
    ...input,
  });
}

export function packet6(input: Partial<PacketInput> = {}): Packet {
  const [source, destination] = [ip('2001:db8:9::9'), ip('2001:db8::1')];
  return packet({ family: 6, source, destination, ...input });
}

/** Made on the host: without an interface that it came by. */
export function made(input: Partial<PacketInput> = {}): Packet {
  const { inInterface: _, ...rest } = packet({ source: ip('192.0.2.1'), ...input });
  return rest;
}

/** @param rules as iptables-save prints them */
export function explained(
  rules: string,
  of: Packet,
  answering: Answering = {},
  variant: 'nft' | 'legacy' = 'nft',
): Explanation {
  return explainedBy(
    readTables(rules.trim().split('\n'), of.family as Family, variant),
    of,
    answering,
  );
}

export function explainedBy(
  tables: readonly (RuleTable | NativeTable)[],
  of: Packet,
  answering: Answering = {},
): Explanation {
  const answers = new Answers();
  for (;;) {
    const said = explain(tables, of, answers);
    if (!('question' in said)) return said;
    const answer = { ...usual, ...answering }[said.question.kind] as (question: Question) => never;
    answers.give(said.question, answer(said.question));
  }
}

/** Every rule that the packet met, `filter INPUT 1 drop`, and how it ended; of the first way. */
export function wayOf(explanation: Explanation): string[] {
  const [first] = explanation.alternatives;
  const steps = (first?.stages ?? []).flatMap((stage) => {
    if (stage.kind === 'tracking') return [`tracking ${stage.state}`];
    if (stage.kind === 'translation') return [`translation ${stage.hook}`];
    if (stage.kind === 'route') return [`route to ${stage.route.to}`];
    return stage.steps.map(({ chain, number = 'end', outcome, to }) =>
      [stage.table, chain, number, outcome, ...(to === undefined ? [] : [to])].join(' '),
    );
  });
  return [...steps, `= ${first?.end.kind}`];
}

/** A table of nft's own: chains with their hook (`forward 0`; `nat` and `route` before it) and their rules' statements. */
export function nativeTable(
  chains: Readonly<Record<string, { at?: string; policy?: 'drop'; rules?: readonly unknown[][] }>>,
  {
    family = 'inet',
    name = 'my',
    more = [] as readonly unknown[],
    flags = [] as readonly string[],
  } = {},
): NativeTable {
  const of = { family, table: name };
  let handle = 100;
  const objects = Object.entries(chains).flatMap(([chain, { at, policy, rules = [] }]) => {
    const [type, hook, prio] =
      at === undefined ? [] : `${at.split(' ').length < 3 ? 'filter ' : ''}${at}`.split(' ');
    const base =
      at === undefined ? {} : { type, hook, prio: Number(prio), policy: policy ?? 'accept' };
    return [
      { chain: { ...of, name: chain, ...base } },
      ...rules.map((expr) => ({ rule: { ...of, chain, handle: handle++, expr } })),
    ];
  });
  const listing = {
    nftables: [{ metainfo: {} }, { table: { family, name, flags } }, ...more, ...objects],
  };
  const table = readNativeTable(JSON.stringify(listing), '');
  if (table === undefined) throw new Error('not a table');
  return table;
}
