/**
 * The transaction that makes the table of `tsbridge trace` (its chains: core/trace/chains.ts). A socket can own the
 * table (NFT_TABLE_F_OWNER, since Linux 5.12): then the kernel deletes it when the socket closes, however its process
 * ends, and no other process can change it. The rules of a table without an owner match only while its set
 * {@link aliveSet} has members; the kernel removes these after some time, unless the process that traces renews them.
 */
import { ipProtocols, tcpFlags } from '../../../core/explain/packet.js';
import {
  entries,
  type HookChain,
  hookChains,
  hookNumber,
  inner,
  replyName,
  startName,
  type TracedHooks,
} from '../../../core/trace/chains.js';
import {
  type Condition,
  cheapestFirst,
  combined,
  type PacketFilter,
  type Pattern,
  possible,
} from '../../../core/trace/pattern.js';
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
} from '../../netlink/netlink-message.js';
import * as nft from '../../nft/nft-statements.js';
import { batch, setRequests } from '../nft-sets.js';
import type { RuleBatch } from '../rule-batch.js';

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

/**
 * Name of the set in a table without an owner. Once the set is empty, the rules match nothing, and the process that
 * made the table has ended.
 */
export const aliveSet = 'alive';
/**
 * The members of {@link aliveSet}: NFPROTO_IPV4 and NFPROTO_IPV6. A rule looks up the family of the packet, so it
 * matches every packet while the members are there.
 */
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
  /** At which hooks the table has chains. */
  readonly tracedHooks: TracedHooks;
}

/**
 * `socket`: the socket that makes the table owns it. Else the table has no owner, and its rules match for `aliveMs`
 * milliseconds after it was made or renewed.
 */
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
  for (const chain of hookChains(table.replies, table.tracedHooks)) own.chain(chain.name, chain);
  const patterns = combined(possible(table.filter)).map((pattern) => ({
    pattern,
    conditions: cheapestFirst(pattern).map((each) => expressionsOf(each, own)),
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
  /** Expressions for packets in the direction of the flow's first packet. */
  readonly asked: readonly nft.Expression[];
  /**
   * Expressions for answers, by what connection tracking has of the flow's first packet. Empty for conditions about
   * interfaces, which it does not have: the reader of the reports compares flows instead.
   */
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
      const ports = own.ports(condition.ports);
      return { asked: nft.portIsAmong(ports), answered: nft.flowPortIsAmong(ports) };
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

  /**
   * Adds a set with these keys, and answers with its name: `word` if `timeoutMs` is given (milliseconds after which the
   * kernel removes a member), else `word` with a number, `ports-2`.
   */
  set(word: string, keys: readonly Uint8Array[], timeoutMs?: number): nft.SetRef {
    this.#sets += 1;
    const id = this.#sets;
    const name = timeoutMs === undefined ? `${word}-${id}` : word;
    const timed = timeoutMs === undefined ? {} : { timeoutMs };
    this.#requests.push(...setRequests({ table: this.name, name, id, keys, ...timed }));
    return { name, id };
  }

  /** The ports as a range, and as a set as well if the range has other ports in it. @param numbers no number twice */
  ports(numbers: readonly number[]): nft.Ports {
    const [first, last] = [Math.min(...numbers), Math.max(...numbers)];
    const isWhole = last - first === numbers.length - 1;
    return {
      first,
      last,
      set: isWhole ? undefined : this.set('ports', numbers.map(nft.portBytes)),
    };
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

/** Deletes a table without an owner, with all that is in it. */
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
