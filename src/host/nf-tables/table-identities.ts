/**
 * Whether the handles of rules still name the same rules. They do as long as their table is the same; a table
 * that is deleted and made anew numbers its rules anew. "Generation" is the kernel's here: the number of nf_tables'
 * rules, which each transaction of any program makes one higher. The kernel refuses one that names another number.
 */
import type { Family } from '../../core/address.js';
import { type Rule, type Table, tables } from '../../core/rules/rule.js';
import { NetlinkError } from '../netlink/socket/netlink-error.js';
import type { NftSocket } from './nft-socket.js';

export interface TableName {
  readonly family: Family;
  readonly table: Table;
}

/** `4 filter` */
export const tableKey = ({ family, table }: TableName): string => `${family} ${table}`;

export function tablesOf(rules: readonly Rule[]): TableName[] {
  return [...new Map(rules.map((rule) => [tableKey(rule), rule])).values()];
}

export class TableIdentities {
  readonly #handles = new Map<string, bigint>();
  #generation: number | undefined;

  /**
   * @param changed called for a table that was made anew, so that its rules have other handles; with a generation in
   *   which it was so
   */
  constructor(
    private readonly socket: Pick<NftSocket, 'generation' | 'tableHandle'>,
    private readonly changed: (table: TableName, generation: number) => void,
  ) {}

  /**
   * The generation in which all known tables, and these, are what {@link of} tells.
   *
   * @throws {NetlinkError} `ENOENT` if one of these tables does not exist
   */
  generation(needed: readonly TableName[]): number {
    const known = needed.every((one) => this.#handles.has(tableKey(one)));
    if (known && this.#generation !== undefined) return this.#generation;
    const generation = this.socket.generation();
    for (const family of [4, 6] as const) {
      for (const table of tables) {
        const isNeeded = needed.some((one) => one.family === family && one.table === table);
        if (isNeeded || this.#handles.has(tableKey({ family, table })))
          this.#check({ family, table });
      }
    }
    for (const one of needed) {
      if (!this.#handles.has(tableKey(one))) {
        throw new NetlinkError('ENOENT', `there is no table ${one.table} (ENOENT)`);
      }
    }
    this.#generation = generation;
    return generation;
  }

  /** The table's own handle, which tells it from another one of its name, as of the last {@link generation}. */
  of(table: TableName): bigint | undefined {
    return this.#handles.get(tableKey(table));
  }

  /** We have made a transaction that named this generation; the kernel's is one more now. */
  made(generation: number): void {
    this.#generation = generation + 1;
  }

  /** Others may have changed rules: the next {@link generation} asks the kernel. */
  doubt(): void {
    this.#generation = undefined;
  }

  #check(name: TableName): void {
    const key = tableKey(name);
    let handle: bigint | undefined;
    try {
      handle = this.socket.tableHandle(name.family, name.table);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code !== 'ENOENT') throw error;
    }
    if (this.#handles.get(key) === handle) return;
    if (handle === undefined) this.#handles.delete(key);
    else this.#handles.set(key, handle);
    this.changed(name, this.socket.generation());
  }
}
