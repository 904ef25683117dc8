/**
 * The kernel's numbers for rules of ours (nf_tables). A rule that is deleted by its number costs
 * the same in a chain of ten and of ten thousand; by its text, iptables-nft compares every rule.
 */
import type { Rule, Table } from './rule.js';
import type { RuleChange } from './rule-set.js';
import { addedBy, inTransactions } from './transactions.js';

/** A rule that the kernel has reported as added. */
export interface AddedRule {
  readonly table: string;
  readonly chain: string;
  /** Unique within the table for as long as the table is there. */
  readonly handle: number;
}

export interface HandledRule {
  readonly table: Table;
  readonly chain: string;
  readonly handle: number;
}

/** More commits than can be on their way between the kernel and the monitor. */
const rememberedCommits = 64;

export class RuleHandles {
  /** `filter DOCKER` → text → number. */
  readonly #known = new Map<string, Map<string, number>>();
  /** What a process was given to add, transaction by transaction, until the kernel reports it. */
  readonly #expected = new Map<number, Rule[][]>();

  /** This process is about to commit these changes. */
  expect(pid: number, changes: readonly RuleChange[]): void {
    const added = inTransactions(changes)
      .map(({ changes }) => addedBy(changes))
      .filter((rules) => rules.length > 0);
    if (added.length > 0) this.#expected.set(pid, added);
    const [oldest] = this.#expected.keys();
    if (this.#expected.size > rememberedCommits && oldest !== undefined) {
      this.#expected.delete(oldest);
    }
  }

  /**
   * A process has added these rules, in this order. Nothing is learnt of a transaction in which
   * their number is not the one that was expected.
   */
  learn(pid: number, added: readonly AddedRule[]): void {
    for (const table of new Set(added.map((rule) => rule.table))) {
      const rules = this.#nextOf(pid, table);
      const reported = added.filter((rule) => rule.table === table);
      if (rules.length !== reported.length) continue;
      rules.forEach((rule, index) => {
        const { chain, handle } = reported[index] ?? {};
        if (chain === rule.chain && handle !== undefined)
          this.#chainOf(rule).set(rule.text, handle);
      });
    }
  }

  /** Whether the kernel has still to report one of these. */
  awaits(rules: readonly Rule[]): boolean {
    const missing = rules.find((rule) => !this.#chainOf(rule).has(rule.text));
    if (missing === undefined) return false;
    return [...this.#expected.values()].some((transactions) =>
      transactions.some((added) => added.some((rule) => keyOf(rule) === keyOf(missing))),
    );
  }

  /** The numbers of all these rules, which are forgotten; undefined if one of them is not known. */
  take(rules: readonly Rule[]): HandledRule[] | undefined {
    const found: HandledRule[] = [];
    for (const rule of rules) {
      const handle = this.#chainOf(rule).get(rule.text);
      if (handle === undefined) return undefined;
      found.push({ table: rule.table, chain: rule.chain, handle });
    }
    for (const rule of rules) this.#chainOf(rule).delete(rule.text);
    return found;
  }

  /** A table was deleted: in the next one of its name the numbers start anew. */
  clear(): void {
    this.#known.clear();
    this.#expected.clear();
  }

  /** What the next transaction of the process in this table adds. */
  #nextOf(pid: number, table: string): Rule[] {
    const expected = this.#expected.get(pid) ?? [];
    const next = expected.findIndex(([rule]) => rule?.table === table);
    if (next < 0) return [];
    const [rules = []] = expected.splice(next, 1);
    if (expected.length === 0) this.#expected.delete(pid);
    return rules;
  }

  #chainOf({ table, chain }: Rule): Map<string, number> {
    const name = `${table} ${chain}`;
    const known = this.#known.get(name) ?? new Map<string, number>();
    this.#known.set(name, known);
    return known;
  }
}

const keyOf = (rule: Rule): string => `${rule.table} ${rule.chain} ${rule.text}`;
