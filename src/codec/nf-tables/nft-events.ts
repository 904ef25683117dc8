/** The kernel's reports of changes of nf_tables (linux/netfilter/nf_tables.h) → transactions. */
import type { Family } from '../../core/address.js';
import { isOwnChain, isOwnTable } from '../../core/rules/chains/own-chains.js';
import { messagesIn, readAttributes, readText } from '../netlink/netlink-message.js';

/** The multicast group of nfnetlink that reports go to (NFNLGRP_NFTABLES). */
export const nftablesGroup = 7;

/** A rule that the kernel has reported as added. */
export interface AddedRule {
  readonly table: string;
  readonly chain: string;
  /** The kernel's handle of the rule, unique within the table as long as the table exists. */
  readonly handle: number;
}

export interface RuleTransaction {
  /** The kernel's generation that it has made: the number of nf_tables' rules, one more after each transaction. */
  readonly generation: number | undefined;
  /** The netlink port that the writer's requests came from, in the network namespace of the rules. */
  readonly portId: number;
  /** Process id of the writing thread, as the first pid namespace numbers it. */
  readonly pid: number;
  /** The first 15 characters of the name of the writing thread. */
  readonly program: string;
  /**
   * Families in which a chain changed that rules of ours can be in, or a table of such chains; empty
   * for other tables and chains.
   */
  readonly families: readonly Family[];
  readonly added: readonly (AddedRule & { readonly family: Family })[];
  /** A table was deleted: the handles of its rules name no rules from then on. */
  readonly tableDeleted: boolean;
}

export const nftSubsystem = 10;
export const nftEvent = {
  ...{ newTable: 0, deleteTable: 2, newChain: 3, deleteChain: 5, newRule: 6, deleteRule: 8 },
  newGeneration: 15,
  /** NFT_MSG_DELFLOWTABLE; those above are not known here. */
  last: 24,
} as const;
/** Each report but that of a new kernel's generation begins with struct nfgenmsg and the name of its table. */
export const nfgenLength = 4;
export const tableAttribute = 1;
const chainName = 3;
const ruleChain = 2;
const ruleHandle = 3;
const generationId = 1;
const generationPid = 2;
const generationName = 3;
const ruleAttributes: ReadonlySet<number> = new Set([tableAttribute, ruleChain, ruleHandle]);

/** nfgen_family; all others (inet, arp, bridge, netdev) hold no table of iptables. */
export const nftFamilies: ReadonlyMap<number, Family> = new Map([
  [2, 4],
  [10, 6],
]);

/** Makes transactions of reports. Give it every datagram, in order. */
export class TransactionReader {
  readonly #families = new Set<Family>();
  #added: (AddedRule & { family: Family })[] = [];
  #tableDeleted = false;

  /** The transactions that end in the datagram: the report of the kernel's new generation is the last of each. */
  read(datagram: Buffer): RuleTransaction[] {
    const ended: RuleTransaction[] = [];
    for (const { type, portId, start, end } of messagesIn(datagram)) {
      const body = datagram.subarray(start, end);
      if (type === ((nftSubsystem << 8) | nftEvent.newGeneration))
        ended.push(this.#end(portId, body));
      else this.#change(type, body);
    }
    return ended;
  }

  /** Reports were lost: what was collected is part of a transaction whose end may not come. */
  forget(): void {
    this.#families.clear();
    this.#added = [];
    this.#tableDeleted = false;
  }

  #change(type: number, body: Buffer): void {
    const event = type & 0xff;
    // What is not understood may be about either family.
    if (type >> 8 !== nftSubsystem || event > nftEvent.last || body.length < nfgenLength) {
      this.#families.add(4).add(6);
      return;
    }
    const family = nftFamilies.get(body[0] ?? 0);
    if (family === undefined) return;
    const attributes = readAttributes(body.subarray(nfgenLength), ruleAttributes);
    const table = readText(attributes, tableAttribute) ?? '';
    if (event === nftEvent.deleteTable) this.#tableDeleted = true;
    if (event === nftEvent.newRule || event === nftEvent.deleteRule) {
      const chain = readText(attributes, ruleChain) ?? '';
      if (isOwnChain(table, chain)) this.#families.add(family);
      const handle = attributes.get(ruleHandle);
      if (event === nftEvent.newRule && handle !== undefined && handle.length >= 8) {
        this.#added.push({ family, table, chain, handle: Number(handle.readBigUInt64BE(0)) });
      }
      return;
    }
    // A chain that is renamed is reported as one that is added, under its new name.
    const concerns =
      event === nftEvent.deleteChain
        ? isOwnChain(table, readText(attributes, chainName) ?? '')
        : isOwnTable(table);
    if (concerns) this.#families.add(family);
  }

  #end(portId: number, body: Buffer): RuleTransaction {
    const attributes = readAttributes(body.subarray(nfgenLength));
    const number = (attribute: number): number | undefined => {
      const value = attributes.get(attribute);
      return value !== undefined && value.length >= 4 ? value.readUInt32BE(0) : undefined;
    };
    const transaction = {
      generation: number(generationId),
      portId,
      pid: number(generationPid) ?? 0,
      program: readText(attributes, generationName) ?? '',
      families: [...this.#families],
      added: this.#added,
      tableDeleted: this.#tableDeleted,
    };
    this.forget();
    return transaction;
  }
}
