/**
 * The kernel's handles of rules that the daemon has added (nf_tables): learnt from the reports of `nft
 * monitor`, and used to delete the rules. Deleting by handle costs the same in a chain of ten and of ten
 * thousand rules; to delete by text, iptables-nft compares every rule. A report comes some milliseconds
 * after its commit, and seconds after one of thousands of rules.
 */
import type { HandledRule } from '../../codec/nft-messages.js';
import type { AddedRule } from '../../codec/nft-monitor.js';
import type { Rule } from '../../core/rules/rule.js';
import type { RuleChange } from '../../core/rules/rule-set.js';
import { addedBy, inTransactions } from '../../core/rules/transactions.js';

/** From so many deletions on it pays to wait for the reports: by text, 60,000 rules take 15 s. */
const manyDeletions = 1_000;
const reportTimeoutMs = 10_000;
/** More commits than can be on their way between the kernel and the monitor. */
const rememberedCommits = 64;

export class RuleHandles {
  /** `filter DOCKER` → text → handle. */
  readonly #known = new Map<string, Map<string, number>>();
  /** What a process was given to add, transaction by transaction, until the kernel reports it. */
  readonly #expected = new Map<number, Rule[][]>();
  /** Wakes {@link untilReported} after a report. */
  #reported: () => void = () => {};

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
   * their count is not the one that was expected.
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

  /** What the kernel reports of any program's transaction; `pid` 0 if it is not ours. */
  noteTransaction(pid: number, added: readonly AddedRule[], tableDeleted: boolean): void {
    // The handles of a new table of that name begin anew, so the known ones would name other rules.
    if (tableDeleted) this.#clear();
    this.learn(pid, added);
    this.#reported();
  }

  /** Call it when reports were lost or a commit failed: the known handles may be wrong from then on. */
  forget(): void {
    this.#clear();
    this.#reported();
  }

  /** {@link take}, which for very many rules first waits until the kernel has reported them. */
  async takeReported(rules: readonly Rule[]): Promise<HandledRule[] | undefined> {
    if (rules.length > manyDeletions) await this.untilReported(rules);
    return this.take(rules);
  }

  /** False if the kernel has not reported them all in 10 s. */
  async untilReported(rules: readonly Rule[]): Promise<boolean> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#reported();
    }, reportTimeoutMs);
    while (!late && this.awaits(rules)) {
      await new Promise<void>((resolve) => {
        this.#reported = resolve;
      });
    }
    clearTimeout(timer);
    return !late;
  }

  /** Whether the kernel has still to report one of these. */
  awaits(rules: readonly Rule[]): boolean {
    const missing = rules.find((rule) => !this.#chainOf(rule).has(rule.text));
    if (missing === undefined) return false;
    return [...this.#expected.values()].some((transactions) =>
      transactions.some((added) => added.some((rule) => keyOf(rule) === keyOf(missing))),
    );
  }

  /** The handles of all these rules, which are forgotten; undefined if one of them is not known. */
  take(rules: readonly Rule[]): HandledRule[] | undefined {
    const handled: HandledRule[] = [];
    for (const rule of rules) {
      const handle = this.#chainOf(rule).get(rule.text);
      if (handle === undefined) return undefined;
      handled.push({ table: rule.table, chain: rule.chain, handle });
    }
    for (const rule of rules) this.#chainOf(rule).delete(rule.text);
    return handled;
  }

  #clear(): void {
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
