/**
 * Counts packets that the rules of our networks have dropped, from the counters that the kernel keeps for each rule.
 * They are read only when metrics are asked for.
 */
import { messagesIn } from '../../codec/netlink/netlink-message.js';
import { listRulesRequest } from '../../codec/nf-tables/nft-messages.js';
import { parseReportedRule } from '../../codec/nf-tables/nft-rule-messages.js';
import { parseDroppingRule } from '../../codec/nft/nft-drops.js';
import type { Family } from '../../core/address.js';
import { codeOf } from '../../core/errors.js';
import {
  type DropReason,
  droppingChains,
  dropReasonOf,
  dropReasons,
} from '../../core/rules/drop-reason.js';
import { readDump } from '../netlink/socket/dump.js';

const netfilter = 12;

/** What one rule has counted. */
interface Count {
  readonly reason: DropReason;
  readonly packets: number;
}

export class DroppedPackets {
  /** The last reading, by family, table and handle: `4 filter 17`. */
  #counts: ReadonlyMap<string, Count> = new Map();
  readonly #totals = new Map<DropReason, number>(dropReasons.map((reason) => [reason, 0]));

  /** @param isOwn tells our bridges from those of Docker's own networks, whose rules are in the same chains */
  constructor(private readonly isOwn: (name: string) => boolean) {}

  /**
   * Reads the counters and answers with totals, which never go down: what a rule counted stays in them when it is deleted,
   * except for what it counted after the last reading.
   *
   * @throws {NetlinkError} with the kernel's reason
   */
  async read(families: readonly Family[]): Promise<ReadonlyMap<DropReason, number>> {
    const counts = new Map<string, Count>();
    let whole = true;
    for (const family of families) {
      for (const [table, chain] of droppingChains) {
        whole = (await this.#readChain(family, table, chain, counts)) && whole;
      }
    }
    for (const [key, { reason, packets }] of counts) {
      const last = this.#counts.get(key)?.packets ?? 0;
      // A smaller count is that of another rule, which the kernel has given the handle of a deleted one.
      const more = packets < last ? packets : packets - last;
      this.#totals.set(reason, (this.#totals.get(reason) ?? 0) + more);
    }
    // A chain that changed while it was listed may lack rules. Their last counts are kept, or the next reading would
    // add them again.
    this.#counts = whole ? counts : new Map([...this.#counts, ...counts]);
    return this.#totals;
  }

  /** @returns false if the chain changed while it was listed */
  async #readChain(
    family: Family,
    table: string,
    chain: string,
    counts: Map<string, Count>,
  ): Promise<boolean> {
    const read = (datagram: Buffer): void => {
      for (const { type, start, end } of messagesIn(datagram)) {
        const rule = parseReportedRule(type, datagram.subarray(start, end));
        // Older kernels ignore the chain in the request, and list the whole table.
        if (rule === undefined || rule.chain !== chain || rule.table !== table) continue;
        const drop = parseDroppingRule(rule.expressions);
        if (drop === undefined || !drop.interfaces.some((name) => this.isOwn(name))) continue;
        const reason = dropReasonOf(table, chain, drop.interfaces);
        if (reason === undefined) continue;
        counts.set(`${family} ${table} ${rule.handle}`, { reason, packets: drop.packets });
      }
    };
    try {
      return await readDump(netfilter, listRulesRequest(family, table, chain), read);
    } catch (error) {
      // Docker's rules of this generation have no such chain, or there is no such table yet.
      if (codeOf(error) === 'ENOENT') return true;
      throw error;
    }
  }
}
