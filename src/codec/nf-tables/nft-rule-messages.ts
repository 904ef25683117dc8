/** Messages of nf_tables about rules and tables, and those with which a transaction begins and ends (nf_tables.h). */
import { type Family, familyNumber, familyOfNumber } from '../../core/address.js';
import type { Table } from '../../core/rules/rule.js';
import type { TableFamily } from '../../core/trace/event.js';
import {
  attribute,
  flag,
  type NetlinkRequest,
  readAttributes,
  readText,
  text,
} from '../netlink/netlink-message.js';
import { tableFamilyOf } from './tracing/nft-trace.js';

/** NFNL_SUBSYS_NFTABLES */
export const subsystem = 10;
/** nlmsg_type. */
export const message = {
  batchBegin: 0x10,
  batchEnd: 0x11,
  newTable: (subsystem << 8) | 0,
  getTable: (subsystem << 8) | 1,
  newRule: (subsystem << 8) | 6,
  getRule: (subsystem << 8) | 7,
  deleteRule: (subsystem << 8) | 8,
  newGeneration: (subsystem << 8) | 15,
  getGeneration: (subsystem << 8) | 16,
} as const;
const generationAttribute = { id: 1 } as const;
const tableAttribute = { name: 1, handle: 4 } as const;
export const ruleAttribute = {
  table: 1,
  chain: 2,
  handle: 3,
  expressions: 4,
  compatibility: 5,
  position: 6,
  id: 9,
  positionId: 10,
} as const;
/** struct nfgenmsg. */
const nfgenLength = 4;

/** struct nfgenmsg of a message about a rule or table. */
export const familyHeader: Readonly<Record<Family, Buffer>> = {
  4: Buffer.from([familyNumber[4], 0, 0, 0]),
  6: Buffer.from([familyNumber[6], 0, 0, 0]),
};

/** Asks for the kernel's generation: the number of nf_tables' rules, one more after each transaction. */
export const generationRequest: NetlinkRequest = {
  type: message.getGeneration,
  flags: 0,
  body: Buffer.from([0, 0, 0, 0]),
};

/** Reads the kernel's generation from its answer; undefined for other messages. */
export function parseGeneration(type: number, body: Buffer): number | undefined {
  if (type !== message.newGeneration) return undefined;
  const id = readAttributes(body.subarray(nfgenLength)).get(generationAttribute.id);
  return id?.length === 4 ? id.readUInt32BE(0) : undefined;
}

export function tableRequest(family: Family, table: Table): NetlinkRequest {
  const body = Buffer.concat([familyHeader[family], attribute(tableAttribute.name, text(table))]);
  return { type: message.getTable, flags: 0, body };
}

/**
 * Reads the table's own handle; undefined for other messages. A table that was deleted and made anew has another one,
 * and the handles of its rules begin anew.
 */
export function parseTableHandle(type: number, body: Buffer): bigint | undefined {
  if (type !== message.newTable) return undefined;
  const handle = readAttributes(body.subarray(nfgenLength)).get(tableAttribute.handle);
  return handle?.length === 8 ? handle.readBigUInt64BE(0) : undefined;
}

/** Asks for all tables of all families. */
export const listTablesRequest: NetlinkRequest = {
  type: message.getTable,
  flags: flag.dump,
  body: Buffer.from([0, 0, 0, 0]),
};

/** Reads a table of any family, with its own handle; undefined for other messages. */
export function parseTable(
  type: number,
  body: Buffer,
): { readonly family: TableFamily; readonly name: string; readonly handle: bigint } | undefined {
  const handle = parseTableHandle(type, body);
  const family = tableFamilyOf(body[0]);
  const name = readText(readAttributes(body.subarray(nfgenLength)), tableAttribute.name);
  if (handle === undefined || family === undefined || name === undefined) return undefined;
  return { family, name, handle };
}

/** Asks for the rules of all tables of a family. */
export function listAllRulesRequest(family: Family): NetlinkRequest {
  return { type: message.getRule, flags: flag.dump, body: familyHeader[family] };
}

export interface ReportedRule {
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly expressions: Buffer;
}

/**
 * Reads a rule from a list or from a report of its addition; undefined for other messages. `expressions` is a part of
 * `body`.
 */
export function parseReportedRule(type: number, body: Buffer): ReportedRule | undefined {
  if (type !== message.newRule || body.length < nfgenLength) return undefined;
  const family = familyOfNumber(body[0]);
  const attributes = readAttributes(body.subarray(nfgenLength));
  const table = readText(attributes, ruleAttribute.table);
  const chain = readText(attributes, ruleAttribute.chain);
  const handle = attributes.get(ruleAttribute.handle);
  if (family === undefined || table === undefined || chain === undefined) return undefined;
  if (handle?.length !== 8) return undefined;
  const expressions = attributes.get(ruleAttribute.expressions) ?? Buffer.alloc(0);
  return { family, table, chain, handle: Number(handle.readBigUInt64BE(0)), expressions };
}
