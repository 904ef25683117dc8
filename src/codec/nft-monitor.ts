/** The lines of `nft -a monitor` (nft 1.0 and later) → one event for each transaction. */
import type { Family } from '../core/address.js';
import { isOwnChain, isOwnTable } from '../core/rules/own-chains.js';

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
   * Families in which a chain changed that rules of ours can be in, or a table of such chains; empty
   * for other tables and chains.
   */
  readonly families: readonly Family[];
  readonly added: readonly (AddedRule & { readonly family: Family })[];
  /** A table was deleted: the handles of its rules name no rules from then on. */
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

const verbs: ReadonlySet<string> = new Set(['add', 'insert', 'replace', 'create', 'delete']);

/**
 * Give it every line. It answers at the end of each transaction, or with `lost`: the kernel reported more
 * than nft could read, so that some transactions never end.
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
    for (const family of concernedBy(line)) this.#families.add(family);
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
    const matches = /^# new generation \d+ by process (\d+) \((.*)\)$/.exec(line);
    if (matches === null) return undefined;
    return { pid: Number(matches[1]), program: matches[2] ?? '', families, added, tableDeleted };
  }
}

/** The families that a line is about, if it is about a table or chain that can hold rules of ours. */
function concernedBy(line: string): readonly Family[] {
  // Indented lines go on with the one before.
  if (/^[\s}]/.test(line)) return [];
  const [verb = '', kind = '', name = '', table = '', chain = ''] = line.split(' ', 5);
  const families = verbs.has(verb) ? familiesOf[name] : undefined;
  // A line that is not understood may be about either family.
  if (families === undefined) return [4, 6];
  // A chain that is renamed is reported as one that is added.
  const isRename = kind === 'chain' && verb !== 'delete';
  const concerns =
    (kind === 'rule' || kind === 'chain') && !isRename
      ? isOwnChain(table, chain)
      : isOwnTable(table);
  return concerns ? families : [];
}
