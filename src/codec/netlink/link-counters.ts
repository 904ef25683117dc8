/** Asks for a dump of all links with their counters, and reads it. */
import { flag, type NetlinkRequest, readAttributes, readText, readU32 } from './netlink-message.js';

const rtm = { newLink: 16, getLink: 18 } as const;
const ifla = { name: 3, mtu: 4, link: 5, stats64: 23 } as const;
const wanted: ReadonlySet<number> = new Set(Object.values(ifla));

export interface LinkCounters {
  readonly name: string;
  readonly mtu: number;
  /** Index of the other end of a pair, in the namespace that it is in; undefined for other links. */
  readonly peer: number | undefined;
  /** Counted in the link's own namespace: what a container sends is received by the host's end. */
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly receivedDrops: number;
  readonly sentDrops: number;
}

/** Asks for all links. RTEXT_FILTER_SKIP_STATS is not set, so that counters come with them. */
export function listCountersRequest(): NetlinkRequest {
  return { type: rtm.getLink, flags: flag.dump, body: Buffer.alloc(16) };
}

/** Reads a link with its counters; undefined for other messages, and for a link without counters. */
export function parseCounters(type: number, body: Buffer): LinkCounters | undefined {
  if (type !== rtm.newLink || body.length < 16) return undefined;
  const attributes = readAttributes(body.subarray(16), wanted);
  const stats = attributes.get(ifla.stats64);
  if (stats === undefined || stats.length < 64) return undefined;
  // struct rtnl_link_stats64: packets, bytes, errors and drops, received and sent in turn. Exact below 2^53.
  const counter = (index: number) => Number(stats.readBigUInt64LE(index * 8));
  return {
    name: readText(attributes, ifla.name) ?? '',
    mtu: readU32(attributes, ifla.mtu) ?? 0,
    peer: readU32(attributes, ifla.link),
    receivedPackets: counter(0),
    sentPackets: counter(1),
    receivedBytes: counter(2),
    sentBytes: counter(3),
    receivedDrops: counter(6),
    sentDrops: counter(7),
  };
}
