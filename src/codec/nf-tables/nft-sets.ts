/**
 * Netlink requests that make, fill and list sets of nf_tables, in tables of family inet (linux/netfilter/nf_tables.h).
 */
import {
  attribute,
  flag,
  formatRequest,
  type NetlinkRequest,
  nested,
  readAttributeList,
  readAttributes,
  text,
  u32Be,
  u64Be,
} from '../netlink/netlink-message.js';
import type { RuleBatch } from './rule-batch.js';

const subsystem = 10;
const message = {
  ...{ batchBegin: 0x10, batchEnd: 0x11 },
  newSet: (subsystem << 8) | 9,
  newElements: (subsystem << 8) | 12,
  getElements: (subsystem << 8) | 13,
  deleteElements: (subsystem << 8) | 14,
} as const;
/** NFPROTO_INET; struct nfgenmsg. */
const header = Buffer.from([1, 0, 0, 0]);
const batchHeader = Buffer.from([0, 0, 0, subsystem]);
/** NFT_SET_CONSTANT, NFT_SET_TIMEOUT */
const setFlag = { constant: 2, timeout: 0x10 } as const;

export interface NewSet {
  readonly table: string;
  readonly name: string;
  /** The number by which rules of the same transaction refer to the set. */
  readonly id: number;
  /** The members: all have the same length. */
  readonly keys: readonly Uint8Array[];
  /** Milliseconds after which the kernel removes a member; absent: the members stay, and the set cannot be changed. */
  readonly timeoutMs?: number;
}

const request = (type: number, flags: number, ...body: readonly Buffer[]): NetlinkRequest => ({
  ...{ type, flags },
  body: Buffer.concat([header, ...body]),
});
const number = (kind: number, value: number) => attribute(kind, u32Be(value));
const named = (table: string, name: string) => [
  attribute(1, text(table)),
  attribute(2, text(name)),
];
const elements = (keys: readonly Uint8Array[]) =>
  nested(3, ...keys.map((key) => nested(1, nested(1, attribute(1, key)))));

/** Makes a set with its members. Rules that look a key up in it have to come later in the transaction. */
export function setRequests({ table, name, id, keys, timeoutMs }: NewSet): NetlinkRequest[] {
  const length = keys[0]?.length ?? 0;
  const lasting = timeoutMs === undefined;
  const set = [
    ...named(table, name),
    number(3, lasting ? setFlag.constant : setFlag.timeout),
    // nft alone uses this type, to print the set: inet_service for ports, nf_proto for address families.
    ...[number(4, length === 2 ? 13 : 2), number(5, length)],
    ...(lasting ? [nested(9, number(1, keys.length))] : []),
    number(10, id),
    ...(lasting ? [] : [attribute(11, u64Be(timeoutMs))]),
  ];
  return [
    request(message.newSet, flag.create, ...set),
    request(message.newElements, flag.create, ...named(table, name), elements(keys), number(4, id)),
  ];
}

/**
 * Gives members of a set their whole time again: deletes and adds them. The kernel refuses it with ENOENT if the time
 * of one is over, or the set is gone.
 */
export function renewBatch(table: string, name: string, keys: readonly Uint8Array[]): RuleBatch {
  return batch([
    request(message.deleteElements, 0, ...named(table, name), elements(keys)),
    request(message.newElements, flag.create, ...named(table, name), elements(keys)),
  ]);
}

/** The messages of one transaction, which the kernel carries out as a whole or not at all. */
export function batch(requests: readonly NetlinkRequest[]): RuleBatch {
  const last = requests.length;
  const framed = [
    { type: message.batchBegin, flags: 0, body: batchHeader },
    ...requests.map((each, index) =>
      index + 1 === last ? { ...each, flags: each.flags | flag.ack } : each,
    ),
    { type: message.batchEnd, flags: 0, body: batchHeader },
  ];
  return { bytes: Buffer.concat(framed.map(formatRequest)), last };
}

/** Asks for the members of a set; the kernel answers ENOENT if the table has none of this name. */
export const membersRequest = (table: string, name: string): NetlinkRequest =>
  request(message.getElements, flag.dump, ...named(table, name));

/** How many members an answer to {@link membersRequest} has; undefined for other messages. */
export function memberCount(type: number, body: Buffer): number | undefined {
  if (type !== message.newElements) return undefined;
  return readAttributeList(readAttributes(body.subarray(header.length)).get(3)).length;
}
