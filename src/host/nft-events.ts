/** The lines of `nft -a monitor` (nft 1.0 and later) → one event for each transaction. */
import type { Family } from '../core/address.js';
import type { AddedRule } from '../core/firewall/handles.js';

export interface RuleTransaction {
  readonly pid: number;
  /** The first 15 characters of the program's name. */
  readonly program: string;
  readonly added: readonly (AddedRule & { readonly family: Family })[];
  /** A table was deleted: numbers of its rules mean nothing any more. */
  readonly tableDeleted: boolean;
}

/** Feed it every line; it answers at the end of each transaction. */
export class TransactionReader {
  #added: (AddedRule & { family: Family })[] = [];
  #tableDeleted = false;

  read(line: string): RuleTransaction | undefined {
    if (line.startsWith('# new generation')) return this.#end(line);
    if (line.startsWith('delete table ')) this.#tableDeleted = true;
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
    this.#added = [];
    this.#tableDeleted = false;
    const found = /^# new generation \d+ by process (\d+) \((.*)\)$/.exec(line);
    if (found === null) return undefined;
    return { pid: Number(found[1]), program: found[2] ?? '', added, tableDeleted };
  }
}
