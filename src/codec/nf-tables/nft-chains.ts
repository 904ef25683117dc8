/** Lists the base chains of nf_tables: those that packets enter at the kernel's hooks (NFT_MSG_GETCHAIN). */
import { type Hook, hooks } from '../../core/explain/path/hooks.js';
import { hookNumber } from '../../core/trace/chains.js';
import type { TableFamily } from '../../core/trace/event.js';
import {
  flag,
  type NetlinkRequest,
  readAttributes,
  readNested,
  readText,
} from '../netlink/netlink-message.js';
import { tableFamilyOf } from './tracing/nft-trace.js';

const subsystem = 10;
const message = { newChain: (subsystem << 8) | 3, getChain: (subsystem << 8) | 4 } as const;
/** NFTA_CHAIN_TABLE, _NAME, _HOOK and _POLICY; NFTA_HOOK_HOOKNUM. */
const chainAttribute = { table: 1, name: 3, hook: 4, policy: 5 } as const;
const hookAttribute = { number: 1 } as const;
/** Families whose chains routed packets pass, at the hooks of {@link hookNumber}; not arp, bridge and netdev. */
const routed: readonly TableFamily[] = ['ip', 'ip6', 'inet'];

/** Asks for the chains of all tables of all families. */
export const listChainsRequest: NetlinkRequest = {
  type: message.getChain,
  flags: flag.dump,
  body: Buffer.from([0, 0, 0, 0]),
};

export interface BaseChain {
  readonly family: TableFamily;
  readonly table: string;
  readonly chain: string;
  readonly hook: Hook;
  readonly policy: 'accept' | 'drop';
}

/** Reads a base chain that routed packets can pass; undefined for other chains and messages. */
export function parseBaseChain(type: number, body: Buffer): BaseChain | undefined {
  if (type !== message.newChain || body.length < 4) return undefined;
  const family = routed.find((each) => each === tableFamilyOf(body[0]));
  const attributes = readAttributes(body.subarray(4));
  const table = readText(attributes, chainAttribute.table);
  const chain = readText(attributes, chainAttribute.name);
  const number = readNested(attributes, chainAttribute.hook).get(hookAttribute.number);
  const hook = hooks.find(
    (each) => number?.length === 4 && hookNumber[each] === number.readUInt32BE(0),
  );
  if (family === undefined || table === undefined || chain === undefined || hook === undefined) {
    return undefined;
  }
  // NF_DROP is 0, NF_ACCEPT 1.
  const policy = attributes.get(chainAttribute.policy)?.at(-1) === 0 ? 'drop' : 'accept';
  return { family, table, chain, hook, policy };
}
