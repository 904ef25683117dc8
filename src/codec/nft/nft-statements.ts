/** Expressions of nf_tables' rules as bytes (linux/netfilter/nf_tables.h), as `nft` writes them. */
import { addressBytes, type Cidr, type Family } from '../../core/address.js';
import { attribute, nested, text, u8, u32Be, u64Be } from '../netlink/netlink-message.js';

/** The bytes of one expression: NFTA_LIST_ELEM with its name and data. */
export type Expression = Buffer;

/** NFT_REG_1: every statement here loads a value into this register and compares it there. */
const register = 1;
const dataValue = 1;
const dataVerdict = 2;
export const expression = (name: string, ...data: readonly Buffer[]): Expression =>
  nested(1, attribute(1, text(name)), nested(2, ...data));
/** An attribute of 32 bits in network order. */
export const number = (type: number, value: number): Buffer => attribute(type, u32Be(value));
/** An attribute that holds a value (NFTA_DATA_VALUE). */
export const value = (type: number, bytes: Uint8Array): Buffer =>
  nested(type, attribute(dataValue, bytes));

const metaKey = { inInterfaceName: 6, trace: 12, family: 15, protocol: 16 } as const;
const loadMeta = (key: number) => expression('meta', number(2, key), number(1, register));
/** NFT_CMP_EQ, NFT_CMP_NEQ */
const compare = (bytes: Uint8Array, not = false) =>
  expression('cmp', number(1, register), number(2, not ? 1 : 0), value(3, bytes));
const mask = (bytes: Uint8Array) =>
  expression(
    'bitwise',
    ...[number(1, register), number(2, register), number(3, bytes.length)],
    ...[value(4, bytes), value(5, new Uint8Array(bytes.length))],
  );
const base = { network: 1, transport: 2 } as const;
const load = (from: keyof typeof base, offset: number, length: number) =>
  expression(
    'payload',
    ...[number(1, register), number(2, base[from]), number(3, offset), number(4, length)],
  );

/** A port as two bytes in network order, as it stands in packets and in sets. */
export const portBytes = (port: number) => Uint8Array.of(port >> 8, port & 0xff);

export function familyIs(family: Family): Expression[] {
  // NFPROTO_IPV4, NFPROTO_IPV6
  return [loadMeta(metaKey.family), compare(Uint8Array.of(family === 4 ? 2 : 10))];
}

export function protocolIs(protocol: number, not = false): Expression[] {
  return [loadMeta(metaKey.protocol), compare(Uint8Array.of(protocol), not)];
}

export function arrivesBy(name: string, not = false): Expression[] {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(name).subarray(0, 15));
  return [loadMeta(metaKey.inInterfaceName), compare(bytes, not)];
}

/** The packet goes to an address of the host itself: `fib daddr type local`; with `not`: `!= local`. */
export function goesToHost(not = false): Expression[] {
  // NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR; RTN_LOCAL in the host's byte order.
  const type = new Uint8Array(Uint32Array.of(2).buffer);
  return [expression('fib', number(1, register), number(2, 3), number(3, 2)), compare(type, not)];
}

export type AddressOf = 'source' | 'destination';
const offsets = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;

/** The packet's address is in the network. Ask for the family first: the address's place depends on it. */
export function addressIs(of: AddressOf, cidr: Cidr, not = false): Expression[] {
  const { family } = cidr;
  return [load('network', offsets[family][of], family === 4 ? 4 : 16), ...isIn(cidr, not)];
}

/** Keys of `ct`: NFT_CT_SRC_IP, NFT_CT_DST_IP, NFT_CT_SRC_IP6, NFT_CT_DST_IP6 and NFT_CT_PROTO_DST. */
const flowKey = {
  4: { source: 19, destination: 20 },
  6: { source: 21, destination: 22 },
  port: 12,
} as const;
const loadFlow = (key: number) =>
  expression('ct', number(1, register), number(2, key), attribute(3, u8(0)));

/** The address is in the network: of the flow's first packet as it came, whichever way this one goes. */
export function flowAddressIs(of: AddressOf, cidr: Cidr, not = false): Expression[] {
  return [loadFlow(flowKey[cidr.family][of]), ...isIn(cidr, not)];
}

export function flowPortIs(port: number): Expression[] {
  return [loadFlow(flowKey.port), compare(portBytes(port))];
}

/** The packet goes against the direction of the flow's first one: `ct direction reply`. */
export function isReply(): Expression[] {
  return [expression('ct', number(1, register), number(2, 1)), compare(Uint8Array.of(1))];
}

/** A set of the same table that is made in the same transaction. */
export interface SetRef {
  readonly name: string;
  /** The number by which rules of the transaction refer to the set. */
  readonly id: number;
}
const lookUp = ({ name, id }: SetRef) =>
  expression('lookup', attribute(1, text(name)), number(2, register), number(4, id));

/** Several ports: all from `first` to `last`; with `set` only those that are in it. */
export interface Ports {
  readonly first: number;
  readonly last: number;
  readonly set: SetRef | undefined;
}
/** The range is compared first, because looking a port up in the set takes several times as long. */
const areIn = ({ first, last, set }: Ports) => [
  // NFT_RANGE_EQ
  expression(
    'range',
    ...[number(1, register), number(2, 0), value(3, portBytes(first)), value(4, portBytes(last))],
  ),
  ...(set === undefined ? [] : [lookUp(set)]),
];

/** The packet goes to one of the ports. */
export function portIsAmong(ports: Ports): Expression[] {
  return [load('transport', 2, 2), ...areIn(ports)];
}

/** The port to which the flow's first packet goes is one of these. */
export function flowPortIsAmong(ports: Ports): Expression[] {
  return [loadFlow(flowKey.port), ...areIn(ports)];
}

/** The number of the packet's address family (NFPROTO_…) is in the set. */
export function familyIsIn(set: SetRef): Expression[] {
  return [loadMeta(metaKey.family), lookUp(set)];
}

export function portIs(port: number): Expression[] {
  return [load('transport', 2, 2), compare(portBytes(port))];
}

/**
 * @param bits the flags of TCP that are looked at, as bits of the header's byte
 * @param flags those of them that have to be set
 * @param not true: the rule matches if they differ
 */
export function flagsAre(bits: number, flags: number, not = false): Expression[] {
  return [load('transport', 13, 1), mask(Uint8Array.of(bits)), compare(Uint8Array.of(flags), not)];
}

function isIn({ family, address, prefixLength }: Cidr, not: boolean): Expression[] {
  const bytes = addressBytes(address);
  if (prefixLength === (family === 4 ? 32 : 128)) return [compare(bytes, not)];
  const bits = bytes.map((_, at) => 0xff00 >> Math.max(0, Math.min(8, prefixLength - at * 8)));
  return [
    mask(bits),
    compare(
      bytes.map((byte, at) => byte & (bits[at] ?? 0)),
      not,
    ),
  ];
}

export function counter(): Expression[] {
  const zero = Buffer.alloc(8);
  return [expression('counter', attribute(1, zero), attribute(2, zero))];
}

/** The rule does not match what is above the limit: `limit rate N/second`. */
export function limit(packetsPerSecond: number): Expression[] {
  return [
    expression(
      'limit',
      ...[attribute(1, u64Be(packetsPerSecond)), attribute(2, u64Be(1))],
      ...[number(3, packetsPerSecond), number(4, 0), number(5, 0)],
    ),
  ];
}

/** `meta nftrace set 1` */
export function beginTrace(): Expression[] {
  return [
    expression('immediate', number(1, register), value(2, Uint8Array.of(1))),
    expression('meta', number(2, metaKey.trace), number(3, register)),
  ];
}

/** The verdict NFT_GOTO. */
export function goTo(chain: string): Expression[] {
  return verdict(-4, attribute(2, text(chain)));
}

/** The verdict NFT_RETURN. */
export function goBack(): Expression[] {
  return verdict(-5);
}

/** The verdict NF_DROP. */
export function drop(): Expression[] {
  return verdict(0);
}

function verdict(number32: number, ...more: readonly Buffer[]): Expression[] {
  const code = Buffer.alloc(4);
  code.writeInt32BE(number32);
  const data = nested(dataVerdict, attribute(1, code), ...more);
  return [expression('immediate', number(1, 0), nested(2, data))];
}
