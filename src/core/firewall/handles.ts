/**
 * The kernel's numbers for rules of ours (nf_tables). A rule that is deleted by its number costs
 * the same in a chain of ten and of ten thousand; by its text, iptables-nft compares every rule.
 */
import type { Rule, Table } from './rule.js';
import type { RuleChange } from './rule-set.js';

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
  readonly #known = new Map<string, number>();
  /** What a process was given to add, until the kernel reports it. */
  readonly #expected = new Map<number, Rule[]>();

  /** This process is about to commit these changes. */
  expect(pid: number, changes: readonly RuleChange[]): void {
    const added = changes.flatMap((change) =>
      change.op === 'append' || change.op === 'insert' ? [change.rule] : [],
    );
    this.#expected.set(pid, added);
    const [oldest] = this.#expected.keys();
    if (this.#expected.size > rememberedCommits && oldest !== undefined) {
      this.#expected.delete(oldest);
    }
  }

  /**
   * A process has added these rules, in this order. Nothing is learnt of a table in which their
   * number is not the one that was expected.
   */
  learn(pid: number, added: readonly AddedRule[]): void {
    const expected = this.#expected.get(pid);
    if (expected === undefined) return;
    for (const table of new Set(added.map((rule) => rule.table))) {
      const rules = expected.filter((rule) => rule.table === table);
      const reported = added.filter((rule) => rule.table === table);
      if (rules.length !== reported.length) continue;
      rules.forEach((rule, index) => {
        const { chain, handle } = reported[index] ?? {};
        if (chain === rule.chain && handle !== undefined) this.#known.set(keyOf(rule), handle);
      });
    }
  }

  /** The numbers of all these rules, which are forgotten; undefined if one of them is not known. */
  take(rules: readonly Rule[]): HandledRule[] | undefined {
    const found: HandledRule[] = [];
    for (const rule of rules) {
      const handle = this.#known.get(keyOf(rule));
      if (handle === undefined) return undefined;
      found.push({ table: rule.table, chain: rule.chain, handle });
    }
    for (const rule of rules) this.#known.delete(keyOf(rule));
    return found;
  }

  /** A table was deleted: in the next one of its name the numbers start anew. */
  clear(): void {
    this.#known.clear();
    this.#expected.clear();
  }
}

const keyOf = (rule: Rule): string => `${rule.table} ${rule.chain} ${rule.text}`;
