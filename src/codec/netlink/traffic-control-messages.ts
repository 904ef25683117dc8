/** Writes requests for queueing disciplines and filters as rtnetlink bytes, and reads the kernel's replies. */
import type { FairQueue } from '../../core/network/queues.js';
import type { Bucket } from '../../core/network/shaping.js';
import {
  type Attributes,
  attribute,
  flag,
  group,
  type NetlinkRequest,
  nested,
  readAttributeList,
  readAttributes,
  readNested,
  readText,
  readU32,
  text,
  u32,
} from './netlink-message.js';

/** RTNLGRP_TC, the multicast group of reports on queueing disciplines and filters. */
export const trafficControlGroup = 4;

const rtm = {
  newQdisc: 36,
  deleteQdisc: 37,
  getQdisc: 38,
  newFilter: 44,
  deleteFilter: 45,
  getFilter: 46,
} as const;

/** struct tcmsg. */
const tcHeaderBytes = 20;
const tca = { kind: 1, options: 2 } as const;

/** Parents (linux/pkt_sched.h): TC_H_ROOT, TC_H_CLSACT, and TC_H_MIN_INGRESS of that, for what comes in. */
const atRoot = 0xffffffff;
const atHook = 0xfffffff1;
const incoming = 0xfffffff2;
/** The handle that clsact and ingress always have. */
const hookHandle = 0xffff0000;

/**
 * By this number what tsbridge makes is told apart from what others make: it is the major number of a token bucket's
 * handle, and the preference of the filter, which is so behind filters with a smaller one.
 */
const ourNumber = 0x7453;
const bucketHandle = (ourNumber << 16) >>> 0;
/** The class inside of a token bucket of ours: the parent of the queue in which packets wait. */
const insideBucket = (bucketHandle | 1) >>> 0;
/** The handle of that queue has the next major number. */
const queueHandle = ((ourNumber + 1) << 16) >>> 0;

/** ETH_P_ALL in network order, as the low half of tcm_info has it. */
const everyProtocol = 0x0300;
const filterInfo = ((ourNumber << 16) | everyProtocol) >>> 0;

interface TcHeader {
  readonly index: number;
  readonly handle?: number;
  readonly parent?: number;
  readonly info?: number;
}

function tcHeader({ index, handle = 0, parent = 0, info = 0 }: TcHeader): Buffer {
  const bytes = Buffer.alloc(tcHeaderBytes);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(handle, 8);
  bytes.writeUInt32LE(parent, 12);
  bytes.writeUInt32LE(info, 16);
  return bytes;
}

const acknowledged = flag.ack;
const kind = (name: string) => attribute(tca.kind, text(name));

const tbf = { parameters: 1, rate64: 4, burst: 6 } as const;
/** TC_LINKLAYER_ETHERNET: the kernel needs no table of the times that packets take. */
const ethernet = 1;
const largest32 = 0xffffffff;

/**
 * struct tc_tbf_qopt: rate, peak rate, limit, buffer and mtu; the last two stay 0, since TCA_TBF_BURST takes their
 * place.
 */
function bucketParameters(bytesPerSecond: number, limit: number): Buffer {
  const bytes = Buffer.alloc(36);
  bytes[1] = ethernet;
  bytes.writeUInt32LE(Math.min(bytesPerSecond, largest32), 8);
  bytes.writeUInt32LE(limit, 24);
  return bytes;
}

/** Makes a token bucket the root of the link with this index, or changes the one that is there. */
export function setBucketRequest(index: number, { rate, burst, limit }: Bucket): NetlinkRequest {
  const bytesPerSecond = Math.floor(rate / 8);
  const wide = Buffer.alloc(8);
  wide.writeBigUInt64LE(BigInt(bytesPerSecond));
  const body = Buffer.concat([
    tcHeader({ index, handle: bucketHandle, parent: atRoot }),
    kind('tbf'),
    group(
      tca.options,
      attribute(tbf.parameters, bucketParameters(bytesPerSecond, limit)),
      attribute(tbf.burst, u32(burst)),
      ...(bytesPerSecond > largest32 ? [attribute(tbf.rate64, wide)] : []),
    ),
  ]);
  return { type: rtm.newQdisc, flags: acknowledged | flag.create | flag.replace, body };
}

const fqCodel = { target: 1, limit: 2, interval: 3, memory: 9 } as const;

/**
 * Puts a fair queue into our token bucket, in place of what is there and of the packets that wait in it, or changes
 * the one that is ours. The kernel refuses with ENOENT if it has no fq_codel, and also if there is no such bucket.
 */
export function setQueueRequest(index: number, queue: FairQueue): NetlinkRequest {
  const body = Buffer.concat([
    tcHeader({ index, handle: queueHandle, parent: insideBucket }),
    kind('fq_codel'),
    group(
      tca.options,
      attribute(fqCodel.limit, u32(queue.limit)),
      attribute(fqCodel.interval, u32(queue.intervalUs)),
      attribute(fqCodel.target, u32(queue.targetUs)),
      attribute(fqCodel.memory, u32(queue.memory)),
    ),
  ]);
  return { type: rtm.newQdisc, flags: acknowledged | flag.create | flag.replace, body };
}

/** Removes our token bucket from the root. If another qdisc is there, the kernel refuses: its handle is another one. */
export function removeBucketRequest(index: number): NetlinkRequest {
  const body = tcHeader({ index, handle: bucketHandle, parent: atRoot });
  return { type: rtm.deleteQdisc, flags: acknowledged, body };
}

/** Adds a clsact, on which filters of what comes in and of what goes out can be put. */
export function addHookRequest(index: number): NetlinkRequest {
  const header = tcHeader({ index, handle: hookHandle, parent: atHook });
  const body = Buffer.concat([header, kind('clsact')]);
  return { type: rtm.newQdisc, flags: acknowledged | flag.create | flag.exclusive, body };
}

const u32Filter = { selector: 5, actions: 7 } as const;
const action = { kind: 1, options: 2 } as const;
const mirredParameters = 2;
/** TC_ACT_STOLEN: nobody else gets the packet. TCA_EGRESS_REDIR: it leaves by the other device. */
const stolen = 4;
const redirectOut = 1;

/** struct tc_u32_sel with one key that every packet fits, as `match u32 0 0`. */
function everyPacket(): Buffer {
  const bytes = Buffer.alloc(32);
  /** TC_U32_TERMINAL, one key. */
  bytes[0] = 1;
  bytes[2] = 1;
  return bytes;
}

/** struct tc_mirred. */
function mirredBytes(to: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeInt32LE(stolen, 8);
  bytes.writeInt32LE(redirectOut, 20);
  bytes.writeUInt32LE(to, 24);
  return bytes;
}

/** Adds the filter by which all that comes in by one link leaves by the other (`to`); the link needs a clsact. */
export function addRedirectRequest(index: number, to: number): NetlinkRequest {
  const mirred = group(
    1,
    attribute(action.kind, text('mirred')),
    nested(action.options, attribute(mirredParameters, mirredBytes(to))),
  );
  const body = Buffer.concat([
    tcHeader({ index, parent: incoming, info: filterInfo }),
    kind('u32'),
    group(
      tca.options,
      group(u32Filter.actions, mirred),
      attribute(u32Filter.selector, everyPacket()),
    ),
  ]);
  return { type: rtm.newFilter, flags: acknowledged | flag.create | flag.exclusive, body };
}

/** Removes our filter; those of others have other numbers, and stay. */
export function removeRedirectRequest(index: number): NetlinkRequest {
  const body = tcHeader({ index, parent: incoming, info: filterInfo });
  return { type: rtm.deleteFilter, flags: acknowledged, body };
}

/** Asks for the queueing disciplines of all links: the kernel cannot be asked for those of one. */
export function listQdiscsRequest(): NetlinkRequest {
  return { type: rtm.getQdisc, flags: flag.dump, body: tcHeader({ index: 0 }) };
}

/** Asks for the filters of what comes in by one link. */
export function listFiltersRequest(index: number): NetlinkRequest {
  return {
    type: rtm.getFilter,
    flags: flag.dump,
    body: tcHeader({ index, parent: incoming }),
  };
}

/** A queueing discipline that matters here: a token bucket of ours, an fq_codel, or a clsact. */
export type QdiscReply = { readonly index: number } & (
  | { readonly kind: 'bucket'; readonly bucket: Bucket }
  | { readonly kind: 'hook' }
  /** `queue` is absent if the fq_codel is not in a bucket of ours: then it only shows that the kernel has fq_codel. */
  | { readonly kind: 'fq_codel'; readonly queue?: FairQueue }
);

const shownOfQdiscs: ReadonlySet<number> = new Set([tca.kind, tca.options]);
/** Nanoseconds of the unit in which the kernel tells times. */
const tickNs = 64;

/** Reads a reply; undefined for anything but a token bucket of ours at a root, an fq_codel, and a clsact. */
export function parseQdisc(type: number, body: Buffer): QdiscReply | undefined {
  if (type !== rtm.newQdisc || body.length < tcHeaderBytes) return undefined;
  const index = body.readInt32LE(4);
  const handle = body.readUInt32LE(8);
  const parent = body.readUInt32LE(12);
  const attributes = readAttributes(body.subarray(tcHeaderBytes), shownOfQdiscs);
  const name = readText(attributes, tca.kind);
  // `ingress` has the same handle as clsact, and no TC_H_MIN_INGRESS to put our filter on.
  if (handle === hookHandle) return name === 'clsact' ? { kind: 'hook', index } : undefined;
  const options = readNested(attributes, tca.options);
  if (name === 'fq_codel') {
    return { kind: 'fq_codel', index, ...(parent === insideBucket && { queue: queueOf(options) }) };
  }
  if (handle !== bucketHandle || parent !== atRoot || name !== 'tbf') return undefined;
  const bucket = bucketOf(options);
  return bucket && { kind: 'bucket', index, bucket };
}

function bucketOf(options: Attributes): Bucket | undefined {
  const parameters = options.get(tbf.parameters);
  if (parameters?.length !== 36) return undefined;
  const wide = options.get(tbf.rate64);
  const bytesPerSecond =
    wide?.length === 8 ? Number(wide.readBigUInt64LE(0)) : parameters.readUInt32LE(8);
  const fillTicks = parameters.readUInt32LE(28);
  return {
    rate: bytesPerSecond * 8,
    burst: Math.round((fillTicks * tickNs * bytesPerSecond) / 1e9),
    limit: parameters.readUInt32LE(24),
  };
}

/** A value that an older kernel does not tell is 0. */
function queueOf(options: Attributes): FairQueue {
  return {
    targetUs: readU32(options, fqCodel.target) ?? 0,
    intervalUs: readU32(options, fqCodel.interval) ?? 0,
    limit: readU32(options, fqCodel.limit) ?? 0,
    memory: readU32(options, fqCodel.memory) ?? 0,
  };
}

/**
 * The index of the link to which our filter leads, 0 if that link is gone; undefined for what is not our filter, and
 * for the tables that the kernel lists with it.
 */
export function parseRedirect(type: number, body: Buffer): number | undefined {
  if (type !== rtm.newFilter || body.length < tcHeaderBytes) return undefined;
  if (body.readUInt32LE(16) !== filterInfo) return undefined;
  const options = readNested(readAttributes(body.subarray(tcHeaderBytes)), tca.options);
  const [first] = readAttributeList(options.get(u32Filter.actions));
  if (first === undefined) return undefined;
  const parameters = readNested(readAttributes(first), action.options).get(mirredParameters);
  return parameters?.length === 28 ? parameters.readUInt32LE(24) : undefined;
}

/** The index of the link whose queueing disciplines or filters a report is about; undefined for other reports. */
export function trafficControlLink(type: number, body: Buffer): number | undefined {
  const isChange: boolean =
    type === rtm.newQdisc ||
    type === rtm.deleteQdisc ||
    type === rtm.newFilter ||
    type === rtm.deleteFilter;
  return isChange && body.length >= tcHeaderBytes ? body.readInt32LE(4) : undefined;
}
