/** Questions to nf_tables and their answers as netlink bytes (linux/netfilter/nfnetlink.h and nf_tables.h). */
import { type Family, familyNumber } from '../../core/address.js';
import {
  attribute,
  flag,
  type NetlinkRequest,
  readAttributeList,
  readAttributes,
  readNested,
  readText,
  text,
} from '../netlink/netlink-message.js';

const subsystem = 10;
const message = { getChain: (subsystem << 8) | 4, getRule: (subsystem << 8) | 7 } as const;
const chainAttribute = { table: 1, name: 3, policy: 5 } as const;
const ruleAttribute = { table: 1, chain: 2, handle: 3, expressions: 4 } as const;
const expressionAttribute = { name: 1, data: 2 } as const;
/** The attribute of the expression `immediate` that holds a verdict in place of a value. */
const immediateData = 2;
const dataVerdict = 2;
const verdictAttribute = { code: 1, chain: 2 } as const;
/** NFT_JUMP. */
const jumpCode = -3;
/** struct nfgenmsg. */
const nfgenLength = 4;

export interface ObservedChain {
  readonly table: string;
  readonly name: string;
  /** The policy of a base chain; undefined for other chains. */
  readonly policy: 'ACCEPT' | 'DROP' | undefined;
}

/** Asks for all chains of the family's tables. */
export function listChainsRequest(family: Family): NetlinkRequest {
  const body = Buffer.from([familyNumber[family], 0, 0, 0]);
  return { type: message.getChain, flags: flag.dump, body };
}

/** undefined if the message is cut off. */
export function parseChain(body: Buffer): ObservedChain | undefined {
  const attributes = readAttributes(body.subarray(nfgenLength));
  const table = readText(attributes, chainAttribute.table);
  const name = readText(attributes, chainAttribute.name);
  const policy = attributes.get(chainAttribute.policy)?.readUInt32BE(0);
  if (table === undefined || name === undefined) return undefined;
  const words = ['DROP', 'ACCEPT'] as const;
  return { table, name, policy: policy === undefined ? undefined : words[policy] };
}

export interface ObservedRule {
  readonly handle: number;
  /** The chain, if the rule does nothing but jump there with every packet; else undefined. */
  readonly jump: string | undefined;
}

/** Asks for the rules of one chain, which come from top to bottom. */
export function listRulesRequest(family: Family, table: string, chain: string): NetlinkRequest {
  const body = Buffer.concat([
    Buffer.from([familyNumber[family], 0, 0, 0]),
    attribute(ruleAttribute.table, text(table)),
    attribute(ruleAttribute.chain, text(chain)),
  ]);
  return { type: message.getRule, flags: flag.dump, body };
}

/** undefined if the message is cut off. */
export function parseRule(body: Buffer): ObservedRule | undefined {
  const attributes = readAttributes(body.subarray(nfgenLength));
  const handle = attributes.get(ruleAttribute.handle);
  if (handle === undefined || handle.length < 8) return undefined;
  const expressions = readAttributeList(attributes.get(ruleAttribute.expressions)).map((bytes) =>
    readAttributes(bytes),
  );
  const named = expressions.map((each) => readText(each, expressionAttribute.name));
  const last = expressions.at(-1);
  // What iptables writes for `-j CHAIN`: a counter, which nft may leave out, and the verdict.
  const isBare = ['counter,immediate', 'immediate'].includes(named.join());
  if (!isBare || last === undefined)
    return { handle: Number(handle.readBigUInt64BE(0)), jump: undefined };
  const data = readNested(readNested(last, expressionAttribute.data), immediateData);
  const verdict = readNested(data, dataVerdict);
  const code = verdict.get(verdictAttribute.code)?.readInt32BE(0);
  const jump = code === jumpCode ? readText(verdict, verdictAttribute.chain) : undefined;
  return { handle: Number(handle.readBigUInt64BE(0)), jump };
}
