/** What an expression of nft says of a packet. */
import { addressBytes, type IpAddress } from '../../address.js';
import { entryOf } from '../chains/options.js';
import { type Answers, addressTypes } from '../facts.js';
import { type Flow, hasPorts, ipProtocols, type Packet, type Tuple } from '../packet.js';
import { type Unknown, unknown } from '../truth.js';
import type { Expression } from './native-table.js';

/** Of an interface; empty if the packet has none. */
export interface Name {
  readonly name: string;
}
/** Addresses are numbers. `none`: the packet has no such thing, so that the kernel leaves the rule. */
export type Value = bigint | Name | 'none' | Unknown;

const named = (name = ''): Name => ({ name });

type Of<T> = (packet: Packet) => T;
const number =
  (of: Of<number>): Of<Value> =>
  (packet) =>
    BigInt(of(packet));

export function addressNumber(address: IpAddress): bigint {
  return BigInt(`0x${Buffer.from(addressBytes(address)).toString('hex')}`);
}

const metaKeys: Readonly<Record<string, Of<Value>>> = {
  iifname: ({ inInterface }) => named(inInterface),
  iif: ({ inInterface }) => named(inInterface),
  oifname: ({ outInterface }) => named(outInterface),
  oif: ({ outInterface }) => named(outInterface),
  mark: number(({ mark }) => mark),
  l4proto: number(({ protocol }) => protocol),
  // NFPROTO_IPV4, NFPROTO_IPV6
  nfproto: number(({ family }) => (family === 4 ? 2 : 10)),
  length: number(({ length }) => length),
};

const ipFields: Readonly<Record<string, Of<Value>>> = {
  saddr: ({ source }) => addressNumber(source),
  daddr: ({ destination }) => addressNumber(destination),
  dscp: number(({ tos }) => tos >> 2),
};
const portFields: Readonly<Record<string, Of<Value>>> = {
  sport: number(({ sourcePort }) => sourcePort),
  dport: number(({ destinationPort }) => destinationPort),
};
const icmpFields: Readonly<Record<string, Of<Value>>> = {
  type: number(({ icmp }) => icmp?.type ?? 0),
  code: number(({ icmp }) => icmp?.code ?? 0),
};

interface Header {
  /** undefined: it has another one, and the kernel reads that one's bytes. */
  has(packet: Packet): boolean | undefined;
  readonly fields: Readonly<Record<string, Of<Value>>>;
}
const ofProtocol = (protocol: number, fields: Header['fields']): Header => ({
  has: (packet) => packet.protocol === protocol,
  fields,
});
/** nft asks for the header first, without showing it in its listing. */
const headers: Readonly<Record<string, Header>> = {
  ip: {
    has: ({ family }) => family === 4,
    fields: {
      ...ipFields,
      version: () => 4n,
      protocol: number(({ protocol }) => protocol),
      ttl: number(({ ttl }) => ttl),
      length: number(({ length }) => length),
    },
  },
  ip6: {
    has: ({ family }) => family === 6,
    fields: {
      ...ipFields,
      version: () => 6n,
      nexthdr: number(({ protocol }) => protocol),
      hoplimit: number(({ ttl }) => ttl),
    },
  },
  tcp: ofProtocol(ipProtocols.tcp, { ...portFields, flags: number(({ tcpFlags }) => tcpFlags) }),
  udp: ofProtocol(ipProtocols.udp, portFields),
  sctp: ofProtocol(ipProtocols.sctp, portFields),
  icmp: ofProtocol(ipProtocols.icmp, icmpFields),
  icmpv6: ofProtocol(ipProtocols.icmpv6, icmpFields),
  th: { has: ({ protocol }) => hasPorts(protocol) || undefined, fields: portFields },
};

/** NF_CT_STATE_BIT of each, and of packets without a flow. */
const stateBits = { established: 2, related: 4, new: 8 } as const;
function stateBit({ flow }: Packet): number {
  if (flow === 'none') return 1;
  return flow === 'untracked' ? 64 : stateBits[flow.state];
}

/** What is known of a flow's status: IPS_SEEN_REPLY, _ASSURED, _CONFIRMED, _SRC_NAT, _DST_NAT. */
export function statusBits(flow: Flow): number {
  const bits: readonly (readonly [number, boolean])[] = [
    [2, flow.state === 'established'],
    [4, flow.assured === true],
    [8, flow.confirmed],
    [16, flow.sourceTranslated],
    [32, flow.destinationTranslated],
  ];
  return bits.reduce((all, [bit, isSet]) => (isSet ? all | bit : all), 0);
}

const tupleFields: Readonly<Record<string, keyof Tuple>> = {
  'ip saddr': 'source',
  'ip daddr': 'destination',
  'ip6 saddr': 'source',
  'ip6 daddr': 'destination',
  'proto-src': 'sourcePort',
  'proto-dst': 'destinationPort',
};

function ofFlow(key: string, direction: string | undefined, packet: Packet): Value | undefined {
  if (key === 'state') return BigInt(stateBit(packet));
  const { flow } = packet;
  if (typeof flow === 'string') return 'none';
  if (key === 'mark') return BigInt(flow.mark);
  if (key === 'direction') return flow.direction === 'original' ? 0n : 1n;
  const field = entryOf(tupleFields, key);
  if (field === undefined || direction !== 'original') return undefined;
  if (key.startsWith('ip') && key.startsWith('ip6') !== (packet.family === 6)) return 'none';
  const part = flow.original[field];
  return typeof part === 'number' ? BigInt(part) : addressNumber(part);
}

type Fib = Extract<Expression, { kind: 'fib' }>;

function ofRoutes({ result, flags }: Fib, packet: Packet, answers: Answers): Value | undefined {
  const { family, source, destination, inInterface, outInterface, mark } = packet;
  const rest = new Set(flags);
  const ofSource = rest.delete('saddr');
  if (ofSource === rest.delete('daddr')) return undefined;
  const asked = rest.delete('mark') ? mark : 0;
  const byIn = rest.delete('iif');
  if (result === 'type' && asked === 0) {
    const byOut = rest.delete('oif');
    const device = byIn ? inInterface : byOut ? outInterface : undefined;
    if (rest.size > 0 || ((byIn || byOut) && device === undefined)) return undefined;
    const address = ofSource ? source : destination;
    const where = device === undefined ? {} : { interface: device };
    const type = answers.ask({ kind: 'address-type', family, address, ...where });
    return BigInt(addressTypes.indexOf(type));
  }
  // Whether there is a way back by the interface that the packet came by: 0 says that there is none.
  if (result !== 'oif' || !ofSource || !byIn || rest.size > 0) return undefined;
  if (inInterface === undefined) return undefined;
  if (inInterface === 'lo') return 1n;
  const back = { source, destination, inInterface, mark: asked, loose: false };
  const found = answers.ask({ kind: 'reverse-path', family, ...back });
  if (found === undefined) return unknown(`an answer to ${source} leaves by ${inInterface}`);
  return found ? 1n : 0n;
}

/** @throws {Unanswered} */
export function evaluate(expression: Expression, packet: Packet, answers: Answers): Value {
  return (
    known(expression, packet, answers) ?? unknown(`${wordsOf(expression)} is as the rule says`)
  );
}

function known(expression: Expression, packet: Packet, answers: Answers): Value | undefined {
  switch (expression.kind) {
    case 'meta':
      return entryOf(metaKeys, expression.key)?.(packet);
    case 'ct':
      return ofFlow(expression.key, expression.direction, packet);
    case 'payload': {
      const header = entryOf(headers, expression.protocol);
      if (header === undefined) return undefined;
      const has = header.has(packet);
      if (has === undefined) return undefined;
      return has ? entryOf(header.fields, expression.field)?.(packet) : 'none';
    }
    case 'fib':
      return ofRoutes(expression, packet, answers);
    case 'number':
      return BigInt(expression.value);
    case 'bits': {
      const left = evaluate(expression.left, packet, answers);
      const right = evaluate(expression.right, packet, answers);
      return combined(expression.operator, left, right);
    }
    default:
      return undefined;
  }
}

function combined(operator: '&' | '|' | '^', left: Value, right: Value): Value | undefined {
  if (left === 'none' || right === 'none') return 'none';
  if (typeof left !== 'bigint' || typeof right !== 'bigint') return undefined;
  if (operator === '&') return left & right;
  return operator === '|' ? left | right : left ^ right;
}

/** As a phrase: `ct status`. */
export function wordsOf(expression: Expression): string {
  switch (expression.kind) {
    case 'meta':
      return `meta ${expression.key}`;
    case 'ct':
      return `ct ${expression.direction === undefined ? '' : `${expression.direction} `}${expression.key}`;
    case 'payload':
      return `${expression.protocol} ${expression.field}`;
    case 'fib':
      return `fib ${expression.flags.join(' . ')} ${expression.result}`;
    case 'number':
      return String(expression.value);
    case 'bits':
      return `${wordsOf(expression.left)} ${expression.operator} ${wordsOf(expression.right)}`;
    case 'concat':
      return expression.parts.map(wordsOf).join(' . ');
    case 'other':
      return expression.words;
  }
}
