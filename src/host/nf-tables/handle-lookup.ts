/**
 * Looks up handles of rules that are not known, by the bytes of the rules. What it finds counts only if the tables were
 * not made anew meanwhile.
 */
import { messageOf } from '../../core/errors.js';
import type { KnownHandles } from '../../core/rules/known-handles.js';
import type { Rule } from '../../core/rules/rule.js';
import { NetlinkError } from '../netlink/socket/netlink-error.js';
import type { NftSocket } from './nft-socket.js';
import { type TableIdentities, type TableName, tablesOf } from './table-identities.js';

export class HandleLookup {
  constructor(
    private readonly kernel: Pick<NftSocket, 'findHandles'>,
    private readonly tables: TableIdentities,
    private readonly known: KnownHandles,
    /** The bytes of a rule as the host's iptables writes it; undefined if they are not known. */
    private readonly expressions: (rule: Rule) => Buffer | undefined,
  ) {}

  /**
   * The kernel's generation in which these tables are the ones that {@link TableIdentities} tells; a text: why there is
   * none.
   */
  generationOf(tables: readonly TableName[]): number | string {
    try {
      return this.tables.generation(tables);
    } catch (error) {
      if (error instanceof NetlinkError) return messageOf(error);
      throw error;
    }
  }

  /**
   * Looks up as many handles of each rule as `needed` says, or as there are copies of it, and notes them as known.
   *
   * @returns why that could not be done; undefined: it was
   */
  async find(needed: ReadonlyMap<Rule, number>): Promise<string | undefined> {
    const sought: { rule: Rule; expressions: Buffer }[] = [];
    for (const [rule, count] of needed) {
      if (this.known.of(rule).length >= count) continue;
      const expressions = this.expressions(rule);
      if (expressions === undefined) return 'a rule of an unknown kind';
      sought.push({ rule, expressions });
    }
    if (sought.length === 0) return undefined;
    const tables = tablesOf([...needed.keys()]);
    const before = tables.map((one) => this.tables.of(one));
    let found: ReadonlyMap<Rule, readonly number[]>;
    try {
      found = await this.kernel.findHandles(sought);
    } catch (error) {
      if (error instanceof NetlinkError) return messageOf(error);
      throw error;
    }
    this.tables.doubt();
    const generation = this.generationOf(tables);
    if (typeof generation === 'string') return generation;
    // The handles of a table that was listed and then made anew may name other rules by now.
    if (tables.some((one, at) => this.tables.of(one) !== before[at]))
      return 'a table was made anew';
    for (const [rule, handles] of found) this.known.set(rule, handles);
    return undefined;
  }
}
