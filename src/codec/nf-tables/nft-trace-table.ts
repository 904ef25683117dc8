/**
 * The transaction that makes the table of `tsbridge trace` (its chains: core/trace/chains.ts). An owned table is deleted
 * by the kernel when the socket that made it closes, however its process ends (NFT_TABLE_F_OWNER, since Linux 5.12), and
 * no other process can change it. Of one that is not owned, rules match for as long as its set {@link aliveSet} has
 * members, which go by themselves unless somebody renews them.
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
  combined,
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
import { batch, setRequests } from './nft-sets.js';
import type { RuleBatch } from './rule-batch.js';

const subsystem = 10;
const message = {
  newTable: (subsystem << 8) | 0,
  deleteTable: (subsystem << 8) | 2,
  newChain: (subsystem << 8) | 3,
  newRule: (subsystem << 8) | 6,
  getRule: (subsystem << 8) | 7,
} as const;
const ownerFlag = 2;
/** NFPROTO_INET; struct nfgenmsg. */
const header = Buffer.from([1, 0, 0, 0]);

/** The set of a table that nobody owns: without members, its rules match nothing, and whoever made it is gone. */
export const aliveSet = 'alive';
/** NFPROTO_IPV4, NFPROTO_IPV6: whichever of both a packet is of, it is there. */
export const aliveKeys: readonly Uint8Array[] = [Uint8Array.of(2), Uint8Array.of(10)];

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

/** Whose the table is: its socket's, or nobody's, so that its rules match for so many milliseconds unless it is renewed. */
export type Owner = 'socket' | { readonly aliveMs: number };

export function traceTableBatch(table: TraceTable, owner: Owner): RuleBatch {
  return batch(traceTableRequests(table, owner));
}

export function traceTableRequests(table: TraceTable, owner: Owner): readonly NetlinkRequest[] {
  const owned = owner === 'socket';
  const own = new TableRequests(table.name, owned);
  const alive = owned ? [] : nft.familyIsIn(own.set(aliveSet, aliveKeys, owner.aliveMs));
  const begins = [nft.counter(), nft.limit(table.packetsPerSecond), nft.beginTrace()];
  const { syn, rst, all } = flagBits;
  const onlyFirst = table.everyPacket ? [] : [nft.protocolIs(ipProtocols.tcp, true)];
  own.chain(inner.marked);
  own.rule(inner.marked, alive, ...begins);
  own.chain(inner.asked);
  for (const each of onlyFirst) own.rule(inner.asked, each, nft.goTo(inner.marked));
  own.rule(
    inner.asked,
    ...(table.everyPacket ? [] : [nft.flagsAre(all, syn)]),
    nft.goTo(inner.marked),
  );
  if (table.replies) {
    own.chain(inner.answers);
    own.rule(inner.answers, alive, ...begins);
    own.chain(inner.replies);
    for (const each of onlyFirst) own.rule(inner.replies, each, nft.goTo(inner.answers));
    const answer = table.everyPacket ? [] : [nft.flagsAre(syn | rst, 0, true)];
    own.rule(inner.replies, ...answer, nft.goTo(inner.answers));
  }
  for (const chain of hookChains(table.replies)) own.chain(chain.name, chain);
  const patterns = combined(possible(table.filter)).map((pattern) => ({
    pattern,
    conditions: pattern.map((each) => expressionsOf(each, own)),
  }));
  for (const hook of entries) {
    for (const { pattern, conditions } of patterns) {
      if (!canBe(pattern, hook)) continue;
      const asked = conditions.map((each) => each.asked);
      own.rule(startName(hook), ...asked, nft.goTo(inner.asked));
    }
    for (const { conditions } of table.replies ? patterns : []) {
      const answered = conditions.map((each) => each.answered);
      own.rule(replyName(hook), nft.isReply(), ...answered, nft.goTo(inner.replies));
    }
  }
  return own.all;
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

interface ConditionExpressions {
  /** Asks a packet of a flow's first direction. */
  readonly asked: readonly nft.Expression[];
  /** Asks an answer, by the flow's first packet. Empty: interfaces cannot be asked so, and the reader compares flows. */
  readonly answered: readonly nft.Expression[];
}

function expressionsOf(condition: Condition, own: TableRequests): ConditionExpressions {
  switch (condition.is) {
    case 'family':
      return always(nft.familyIs(condition.family));
    case 'protocol':
      return always(nft.protocolIs(condition.protocol));
    case 'source':
    case 'destination': {
      const { is, cidr, not } = condition;
      return { asked: nft.addressIs(is, cidr, not), answered: nft.flowAddressIs(is, cidr, not) };
    }
    case 'to-host':
      return { asked: nft.goesToHost(), answered: [] };
    case 'port':
      return { asked: nft.portIs(condition.port), answered: nft.flowPortIs(condition.port) };
    case 'ports': {
      const set = own.set('ports', condition.ports.map(nft.portBytes));
      return { asked: nft.portIsIn(set), answered: nft.flowPortIsIn(set) };
    }
    case 'arrives':
      return { asked: nft.arrivesBy(condition.interface), answered: [] };
    case 'made-here':
      return { asked: [], answered: [] };
  }
}

const always = (expressions: readonly nft.Expression[]): ConditionExpressions => ({
  ...{ asked: expressions, answered: expressions },
});

class TableRequests {
  readonly #requests: NetlinkRequest[];

  #sets = 0;

  constructor(
    private readonly name: string,
    owned: boolean,
  ) {
    const body = [attribute(1, text(name)), attribute(2, u32Be(owned ? ownerFlag : 0))];
    this.#requests = [request(message.newTable, flag.create | flag.exclusive, ...body)];
  }

  get all(): readonly NetlinkRequest[] {
    return this.#requests;
  }

  /** A set of these keys: `ports-2`, or of the name itself if its members go by themselves. */
  set(word: string, keys: readonly Uint8Array[], timeoutMs?: number): nft.SetRef {
    this.#sets += 1;
    const id = this.#sets;
    const name = timeoutMs === undefined ? `${word}-${id}` : word;
    const timed = timeoutMs === undefined ? {} : { timeoutMs };
    this.#requests.push(...setRequests({ table: this.name, name, id, keys, ...timed }));
    return { name, id };
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
}

function request(type: number, flags: number, ...body: readonly Buffer[]): NetlinkRequest {
  return { type, flags, body: Buffer.concat([header, ...body]) };
}

/** Deletes a table that nobody owns, with all that is in it. */
export const deleteTraceTableBatch = (name: string): RuleBatch =>
  batch([request(message.deleteTable, 0, attribute(1, text(name)))]);

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
