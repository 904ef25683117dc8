/** nf_tables transactions as netlink bytes (linux/netfilter/nfnetlink.h and nf_tables.h). */
import { type Family, familyNumber } from '../core/address.js';
import type { Table } from '../core/rules/rule.js';
import { attribute, flag, type NetlinkRequest, text, u64Be } from './netlink-message.js';

/** A rule by the number that the kernel has given it. */
export interface HandledRule {
  readonly table: Table;
  readonly chain: string;
  readonly handle: number;
}

const subsystem = 10;
const message = { batchBegin: 0x10, batchEnd: 0x11, deleteRule: (subsystem << 8) | 8 } as const;
const ruleAttribute = { table: 1, chain: 2, handle: 3 } as const;

/** struct nfgenmsg of the frame around a transaction: the subsystem in network order. */
const batchHeader = Buffer.from([0, 0, 0, subsystem]);

/**
 * The deletion of rules by their numbers, all or none. Only the last of them is acknowledged: what
 * the kernel says of it ends the transaction, and it reports a failure of another one before.
 *
 * @param rules at least one
 */
export function deleteRulesBatch(
  family: Family,
  rules: readonly HandledRule[],
): readonly NetlinkRequest[] {
  const header = Buffer.from([familyNumber[family], 0, 0, 0]);
  const deletions = rules.map(({ table, chain, handle }, index) => ({
    type: message.deleteRule,
    flags: index === rules.length - 1 ? flag.ack : 0,
    body: Buffer.concat([
      header,
      attribute(ruleAttribute.table, text(table)),
      attribute(ruleAttribute.chain, text(chain)),
      attribute(ruleAttribute.handle, u64Be(handle)),
    ]),
  }));
  return [
    { type: message.batchBegin, flags: 0, body: batchHeader },
    ...deletions,
    { type: message.batchEnd, flags: 0, body: batchHeader },
  ];
}
