/**
 * The kernel's handles of rules, by the rules: what nf_tables deletes a rule by, and adds one below. Both ways of
 * a commit note here what they have written, so that each can delete the other's rules.
 */
import type { Family } from '../address.js';
import { type Rule, type Table, tables } from './rule.js';

export class KnownHandles {
  /** By table (`4 filter`): the kernel's generation in which the present table of this name was first seen. */
  readonly #since = new Map<string, number>();
  /** Handles by table (`4 filter`), chain and text of the rule, the topmost copy first. */
  readonly #tables = new Map<string, Map<string, Map<string, readonly number[]>>>();

  /** The known handles of the copies of a rule, the topmost first. */
  of({ family, table, chain, text }: Rule): readonly number[] {
    return this.#tables.get(`${family} ${table}`)?.get(chain)?.get(text) ?? [];
  }

  set(rule: Rule, handles: readonly number[]): void {
    const texts = this.#textsOf(rule);
    if (handles.length === 0) texts.delete(rule.text);
    else texts.set(rule.text, handles);
  }

  remove(rule: Rule, handle: number): void {
    const left = this.of(rule).filter((known) => known !== handle);
    this.set(rule, left);
  }

  forget(family: Family, table: Table): void {
    this.#tables.delete(`${family} ${table}`);
  }

  /**
   * Call it when the table is found to have been deleted and made anew.
   *
   * @param generation of the kernel, in which the new table was there: reports of earlier generations may be about the
   *   old one
   */
  forgetBefore(family: Family, table: Table, generation: number): void {
    this.forget(family, table);
    this.#since.set(`${family} ${table}`, generation);
  }

  /** Whether a handle that was reported in this generation may be of an earlier table of the same name. */
  isOutdated({ family, table }: Rule, generation: number): boolean {
    return generation < (this.#since.get(`${family} ${table}`) ?? generation);
  }

  forgetFamily(family: Family): void {
    for (const table of tables) this.forget(family, table);
  }

  /** Call it when copies of the rule came, went or moved: which handle is whose is not known then. */
  forgetText(family: Family, table: Table, chain: string, text: string): void {
    this.#tables.get(`${family} ${table}`)?.get(chain)?.delete(text);
  }

  #textsOf({ family, table, chain }: Rule): Map<string, readonly number[]> {
    const name = `${family} ${table}`;
    const chains = this.#tables.get(name) ?? new Map<string, Map<string, readonly number[]>>();
    this.#tables.set(name, chains);
    const texts = chains.get(chain) ?? new Map<string, readonly number[]>();
    chains.set(chain, texts);
    return texts;
  }
}
