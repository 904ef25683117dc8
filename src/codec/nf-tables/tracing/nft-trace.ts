/** The kernel's reports on traced packets (NFT_MSG_TRACE of nf_tables) as values. */
import type { TableFamily, TraceEvent } from '../../../core/trace/event.js';
import {
  type Attributes,
  readAttributes,
  readNested,
  readText,
} from '../../netlink/netlink-message.js';
import { readHeaders } from '../../packet-headers.js';

/** NFNLGRP_NFTRACE */
export const traceGroup = 9;
/** NFNL_SUBSYS_NFTABLES and NFT_MSG_TRACE. */
const traceType = (10 << 8) | 17;

const trace = {
  table: 1,
  chain: 2,
  ruleHandle: 3,
  type: 4,
  verdict: 5,
  id: 6,
  networkHeader: 8,
  transportHeader: 9,
  inInterface: 10,
  outInterface: 12,
  mark: 14,
  policy: 16,
} as const;
const verdictAttribute = { code: 1, chain: 2 } as const;
const kinds = { 1: 'policy', 2: 'return', 3: 'rule' } as const;
/** The kernel's NFPROTO_… numbers. */
const families: Readonly<Record<number, TableFamily>> = {
  ...{ 1: 'inet', 2: 'ip', 3: 'arp', 5: 'netdev', 7: 'bridge', 10: 'ip6' },
};

/** The family by its number in struct nfgenmsg; undefined for one that nf_tables does not have. */
export const tableFamilyOf = (number = 0): TableFamily | undefined => families[number];

const verdicts: Readonly<Record<number, string>> = {
  0: 'drop',
  1: 'accept',
  2: 'stolen',
  3: 'queue',
  [-1]: 'continue',
  [-2]: 'break',
  [-3]: 'jump',
  [-4]: 'goto',
  [-5]: 'return',
};

/** Reads a report on a traced packet; undefined for any other message. No part of `body` is kept. */
export function readTraceEvent(type: number, body: Buffer): TraceEvent | undefined {
  if (type !== traceType || body.length < 4) return undefined;
  // After struct nfgenmsg. Numbers of nf_tables are in network order.
  const attributes = readAttributes(body.subarray(4));
  const kind = kinds[numberOf(attributes, trace.type) as keyof typeof kinds];
  const family = tableFamilyOf(body[0]);
  if (kind === undefined || family === undefined) return undefined;
  const handle = attributes.get(trace.ruleHandle);
  const inInterface = numberOf(attributes, trace.inInterface);
  const outInterface = numberOf(attributes, trace.outInterface);
  const headers = readHeaders(
    attributes.get(trace.networkHeader),
    attributes.get(trace.transportHeader),
  );
  return {
    id: numberOf(attributes, trace.id) ?? 0,
    family,
    table: readText(attributes, trace.table) ?? '',
    chain: readText(attributes, trace.chain) ?? '',
    kind,
    ...(handle === undefined ? {} : { handle: handle.readBigUInt64BE(0) }),
    ...verdictOf(attributes),
    mark: numberOf(attributes, trace.mark) ?? 0,
    ...(inInterface === undefined ? {} : { in: inInterface }),
    ...(outInterface === undefined ? {} : { out: outInterface }),
    ...(headers === undefined ? {} : { headers }),
  };
}

function verdictOf(attributes: Attributes): Pick<TraceEvent, 'verdict' | 'to'> {
  const policy = numberOf(attributes, trace.policy);
  if (policy !== undefined) return { verdict: policy === 1 ? 'accept' : 'drop' };
  const given = readNested(attributes, trace.verdict);
  const code = given.get(verdictAttribute.code)?.readInt32BE(0);
  const to = readText(given, verdictAttribute.chain);
  if (code === undefined) return {};
  // NF_QUEUE has the number of the queue above its code.
  const verdict = verdicts[code < 0 ? code : code & 0xff];
  return { ...(verdict === undefined ? {} : { verdict }), ...(to === undefined ? {} : { to }) };
}

function numberOf(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value !== undefined && value.length >= 4 ? value.readUInt32BE(0) : undefined;
}
