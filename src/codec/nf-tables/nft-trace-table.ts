/**
 * The transaction that makes the table of `tsbridge trace` (its chains: core/trace/chains.ts). The kernel deletes the
 * table when the socket that made it closes, however its process ends (NFT_TABLE_F_OWNER, since Linux 5.12), and lets
 * no other process change it.
 */
import { ipProtocols, tcpFlags } from '../../core/explain/packet.js';
import {
  entries,
  type HookChain,
  hookChains,
  hookNumber,
  inner,
  replyName,
  startName,
} from '../../core/trace/chains.js';
import {
  type Condition,
  type PacketFilter,
  type Pattern,
  possible,
} from '../../core/trace/pattern.js';
import {
  attribute,
  flag,
  type NetlinkRequest,
  nested,
  readAttributeList,
  readAttributes,
  readNested,
  readText,
  text,
  u32Be,
} from '../netlink/netlink-message.js';
import * as nft from '../nft/nft-statements.js';

const subsystem = 10;
const message = {
  ...{ batchBegin: 0x10, batchEnd: 0x11 },
  newTable: (subsystem << 8) | 0,
  newChain: (subsystem << 8) | 3,
  newRule: (subsystem << 8) | 6,
  getRule: (subsystem << 8) | 7,
} as const;
const ownerFlag = 2;
/** NFPROTO_INET; struct nfgenmsg. */
const header = Buffer.from([1, 0, 0, 0]);
const batchHeader = Buffer.from([0, 0, 0, subsystem]);

export interface TraceTable {
  readonly name: string;
  readonly filter: PacketFilter;
  /** true: trace also what answers the packets. */
  readonly replies: boolean;
  /** true: trace every packet of TCP; false: only those that begin a connection, and the answers to these. */
  readonly everyPacket: boolean;
  /** How many packets are traced at most in a second; answers have the same limit of their own. */
  readonly packetsPerSecond: number;
}

export function traceTableBatch(table: TraceTable): readonly NetlinkRequest[] {
  const own = new TableRequests(table.name);
  const { syn, rst, all } = flagBits;
  const onlyFirst = table.everyPacket ? [] : [nft.protocolIs(ipProtocols.tcp, true)];
  own.chain(inner.marked);
  own.rule(inner.marked, nft.counter(), nft.limit(table.packetsPerSecond), nft.beginTrace());
  own.chain(inner.asked);
  for (const each of onlyFirst) own.rule(inner.asked, each, nft.goTo(inner.marked));
  own.rule(
    inner.asked,
    ...(table.everyPacket ? [] : [nft.flagsAre(all, syn)]),
    nft.goTo(inner.marked),
  );
  if (table.replies) {
    own.chain(inner.answers);
    own.rule(inner.answers, nft.counter(), nft.limit(table.packetsPerSecond), nft.beginTrace());
    own.chain(inner.replies);
    for (const each of onlyFirst) own.rule(inner.replies, each, nft.goTo(inner.answers));
    const answer = table.everyPacket ? [] : [nft.flagsAre(syn | rst, 0, true)];
    own.rule(inner.replies, ...answer, nft.goTo(inner.answers));
  }
  for (const chain of hookChains(table.replies)) own.chain(chain.name, chain);
  const patterns = possible(table.filter);
  for (const hook of entries) {
    for (const pattern of patterns) {
      if (!canBe(pattern, hook)) continue;
      own.rule(startName(hook), ...pattern.map(asked), nft.goTo(inner.asked));
    }
    for (const pattern of table.replies ? patterns : []) {
      own.rule(replyName(hook), nft.isReply(), ...pattern.map(answered), nft.goTo(inner.replies));
    }
  }
  return own.batch();
}

const flagBits = {
  syn: tcpFlags.SYN,
  rst: tcpFlags.RST,
  all: tcpFlags.SYN | tcpFlags.ACK | tcpFlags.RST | tcpFlags.FIN,
} as const;

function canBe(pattern: Pattern, hook: (typeof entries)[number]): boolean {
  const elsewhere = hook === 'OUTPUT' ? 'arrives' : 'made-here';
  return !pattern.some(({ is }) => is === elsewhere);
}

function asked(condition: Condition): nft.Expression[] {
  switch (condition.is) {
    case 'family':
      return nft.familyIs(condition.family);
    case 'protocol':
      return nft.protocolIs(condition.protocol);
    case 'source':
    case 'destination':
      return nft.addressIs(condition.is, condition.cidr, condition.not);
    case 'to-host':
      return nft.goesToHost();
    case 'port':
      return nft.portIs(condition.port);
    case 'arrives':
      return nft.arrivesBy(condition.interface);
    case 'made-here':
      return [];
  }
}

/** Asks an answer for the condition, by the flow's first packet. Interfaces cannot be asked so: the reader compares flows. */
function answered(condition: Condition): nft.Expression[] {
  if (condition.is === 'family' || condition.is === 'protocol') return asked(condition);
  if (condition.is === 'port') return nft.flowPortIs(condition.port);
  return 'cidr' in condition ? nft.flowAddressIs(condition.is, condition.cidr, condition.not) : [];
}

class TableRequests {
  readonly #requests: NetlinkRequest[];

  constructor(private readonly name: string) {
    const body = [attribute(1, text(name)), attribute(2, u32Be(ownerFlag))];
    this.#requests = [request(message.newTable, flag.create | flag.exclusive, ...body)];
  }

  chain(name: string, hook?: HookChain): void {
    const body = [attribute(1, text(this.name)), attribute(3, text(name))];
    if (hook !== undefined) {
      const priority = Buffer.alloc(4);
      priority.writeInt32BE(hook.priority);
      const place = [attribute(1, u32Be(hookNumber[hook.hook])), attribute(2, priority)];
      // NF_ACCEPT
      body.push(nested(4, ...place), attribute(5, u32Be(1)), attribute(7, text('filter')));
    }
    this.#requests.push(request(message.newChain, flag.create, ...body));
  }

  rule(chain: string, ...expressions: readonly (readonly nft.Expression[])[]): void {
    const body = [
      ...[attribute(1, text(this.name)), attribute(2, text(chain))],
      nested(4, ...expressions.flat()),
    ];
    this.#requests.push(request(message.newRule, flag.create | flag.append, ...body));
  }

  batch(): NetlinkRequest[] {
    const last = this.#requests.length - 1;
    return [
      { type: message.batchBegin, flags: 0, body: batchHeader },
      ...this.#requests.map((each, index) =>
        index === last ? { ...each, flags: each.flags | flag.ack } : each,
      ),
      { type: message.batchEnd, flags: 0, body: batchHeader },
    ];
  }
}

function request(type: number, flags: number, ...body: readonly Buffer[]): NetlinkRequest {
  return { type, flags, body: Buffer.concat([header, ...body]) };
}

/** Asks for the rules of the table; {@link matchedPackets} reads the answers. */
export function traceCountersRequest(name: string): NetlinkRequest {
  return {
    type: message.getRule,
    flags: flag.dump,
    body: Buffer.concat([header, attribute(1, text(name))]),
  };
}

/** Reads a rule that counts: its table, its chain and the packets that came to it; undefined for other messages. */
export function matchedPackets(
  type: number,
  body: Buffer,
): { readonly table: string; readonly chain: string; readonly packets: number } | undefined {
  if (type !== message.newRule) return undefined;
  const attributes = readAttributes(body.subarray(header.length));
  for (const element of readAttributeList(attributes.get(4))) {
    const parts = readAttributes(element);
    if (readText(parts, 1) !== 'counter') continue;
    const packets = readNested(parts, 2).get(2);
    if (packets?.length !== 8) continue;
    return {
      table: readText(attributes, 1) ?? '',
      chain: readText(attributes, 2) ?? '',
      packets: Number(packets.readBigUInt64BE(0)),
    };
  }
  return undefined;
}
