/** The lines of `nft -a monitor` (nft 1.0 and later) → one event for each transaction. */
import type { Family } from '../core/address.js';

/** A rule that the kernel has reported as added. */
export interface AddedRule {
  readonly table: string;
  readonly chain: string;
  /** The kernel's handle of the rule, unique within the table as long as the table exists. */
  readonly handle: number;
}

export interface RuleTransaction {
  readonly pid: number;
  /** The first 15 characters of the program's name. */
  readonly program: string;
  /**
   * Families whose tables changed; empty for tables that are not iptables' (`inet`, `bridge`, …).
   */
  readonly families: readonly Family[];
  readonly added: readonly (AddedRule & { readonly family: Family })[];
  /** A table was deleted: the handles of its rules are no longer valid. */
  readonly tableDeleted: boolean;
}

/** What a line is about: `add rule ip filter …`, `delete chain ip6 nat …`. */
const familiesOf: Readonly<Record<string, readonly Family[]>> = {
  ip: [4],
  ip6: [6],
  inet: [],
  arp: [],
  bridge: [],
  netdev: [],
};

/**
 * Feed it every line; it answers at the end of each transaction, or with `lost`: the kernel had
 * more to report than nft could take, so that the ends of some are missing.
 */
export class TransactionReader {
  readonly #families = new Set<Family>();
  #added: (AddedRule & { family: Family })[] = [];
  #tableDeleted = false;

  read(line: string): RuleTransaction | 'lost' | undefined {
    if (line.startsWith('# new generation')) return this.#end(line);
    // "# ERROR: We lost some netlink events!", on the standard output (nft 1.0 and 1.1).
    if (line.startsWith('# ERROR')) {
      this.#end(line);
      return 'lost';
    }
    if (line.startsWith('delete table ')) this.#tableDeleted = true;
    const [, , name = ''] = line.split(' ', 3);
    // A line that cannot be read may concern both families. Indented lines continue the one before.
    if (!/^[\s}]/.test(line))
      for (const each of familiesOf[name] ?? [4, 6]) this.#families.add(each);
    const rule = /^(?:add|insert) rule (ip6?) (\S+) (\S+) .*# handle (\d+)$/.exec(line);
    if (rule?.[2] !== undefined) {
      const [, family, table, chain = '', handle] = rule;
      this.#added.push({ family: family === 'ip' ? 4 : 6, table, chain, handle: Number(handle) });
    }
    return undefined;
  }

  /** `# new generation 35 by process 1234 (iptables-nft-re)` */
  #end(line: string): RuleTransaction | undefined {
    const added = this.#added;
    const tableDeleted = this.#tableDeleted;
    const families = [...this.#families];
    this.#families.clear();
    this.#added = [];
    this.#tableDeleted = false;
    const found = /^# new generation \d+ by process (\d+) \((.*)\)$/.exec(line);
    if (found === null) return undefined;
    return { pid: Number(found[1]), program: found[2] ?? '', families, added, tableDeleted };
  }
}
