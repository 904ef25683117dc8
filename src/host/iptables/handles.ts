/**
 * The kernel's handles of rules that `iptables-restore` has added for the daemon, read from the kernel's reports,
 * and used to delete the rules. Deleting by handle costs the same in a chain of ten and of ten
 * thousand rules; to delete by text, iptables-nft compares every rule. A report comes some milliseconds
 * after its commit, and seconds after one of thousands of rules.
 */

import type { AddedRule, RuleTransaction } from '../../codec/nf-tables/nft-events.js';
import type { RuleDeletion } from '../../codec/nf-tables/rule-batch.js';
import type { Family } from '../../core/address.js';
import type { KnownHandles } from '../../core/rules/known-handles.js';
import type { Rule, Table } from '../../core/rules/rule.js';
import type { RuleChange } from '../../core/rules/rule-set.js';
import { addedBy, inTransactions } from '../../core/rules/transactions.js';

/** From so many deletions on it pays to wait for the reports: by text, 60,000 rules take 15 s. */
const manyDeletions = 1_000;
const reportTimeoutMs = 10_000;
/** More commits than can be on their way between the kernel and the listener. */
const rememberedCommits = 64;

/** The part of a reported transaction that is about the rules of one family. */
export type ReportedChanges = Pick<RuleTransaction, 'pid' | 'tableDeleted' | 'generation'> & {
  readonly added: readonly AddedRule[];
};

/** What one transaction adds to a table. */
interface Expected {
  readonly table: Table;
  /** In order; undefined in the place of a rule that was deleted before the report of it was read. */
  readonly added: (Rule | undefined)[];
}

export class RuleHandles {
  /** What a process was given to add, transaction by transaction, until the kernel reports it. */
  readonly #expected = new Map<number, Expected[]>();
  /** Wakes {@link untilReported} after a report. */
  #reported: () => void = () => {};

  /** @param known the handles of both families, shared with the way by netlink */
  constructor(
    private readonly family: Family,
    private readonly known: KnownHandles,
  ) {}

  /** This process is about to commit these changes. */
  expect(pid: number, changes: readonly RuleChange[]): void {
    // Which copies of a rule iptables deletes, and among which it adds one, the kernel does not report: their handles
    // are forgotten.
    for (const change of changes) if ('rule' in change) this.known.set(change.rule, []);
    const added = inTransactions(changes)
      .map(({ table, changes }) => ({ table, added: addedBy(changes) }))
      .filter((transaction) => transaction.added.length > 0);
    if (added.length > 0) this.#expected.set(pid, added);
    const [oldest] = this.#expected.keys();
    if (this.#expected.size > rememberedCommits && oldest !== undefined) {
      this.#expected.delete(oldest);
    }
  }

  /**
   * A process has added these rules, in this order. Nothing is learnt of a transaction in which
   * their count is not the one that was expected.
   *
   * @param generation the kernel's, which the transaction has made
   */
  learn(pid: number, added: readonly AddedRule[], generation: number): void {
    for (const table of new Set(added.map((rule) => rule.table))) {
      const rules = this.#nextOf(pid, table);
      const reported = added.filter((rule) => rule.table === table);
      if (rules.length !== reported.length) continue;
      rules.forEach((rule, index) => {
        const { chain, handle } = reported[index] ?? {};
        if (rule === undefined || handle === undefined || chain !== rule.chain) return;
        if (this.known.isOutdated(rule, generation)) return;
        this.known.set(rule, [handle]);
      });
    }
  }

  /** What the kernel reports of any program's transaction; `pid` 0 if it is not ours. */
  noteTransaction({ pid, added, tableDeleted, generation = 0 }: ReportedChanges): void {
    // The handles of a new table of that name begin anew, so the known ones would name other rules.
    if (tableDeleted) this.#clear();
    this.learn(pid, added, generation);
    this.#reported();
  }

  /** Call it when reports were lost or a commit failed: the known handles may be wrong from then on. */
  forget(): void {
    this.#clear();
    this.#reported();
  }

  /**
   * Call it when netlink has deleted these rules: the report of their addition may still come, and its handles then
   * name nothing.
   */
  noteDeleted(rules: readonly Rule[]): void {
    if (this.#expected.size === 0) return;
    const deleted = new Set(rules.map(keyOf));
    for (const transactions of this.#expected.values()) {
      for (const { added } of transactions) {
        added.forEach((rule, index) => {
          if (rule !== undefined && deleted.has(keyOf(rule))) added[index] = undefined;
        });
      }
    }
  }

  /**
   * Whether the handles of all these rules are known. For more than 1,000 rules it first waits, up to 10 s, until the
   * kernel has reported them.
   */
  async areKnown(rules: readonly Rule[]): Promise<boolean> {
    if (rules.length > manyDeletions) await this.untilReported(rules);
    return this.deletionsOf(rules) !== undefined;
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
    const missing = rules.find((rule) => this.known.of(rule).length === 0);
    if (missing === undefined) return false;
    const key = keyOf(missing);
    return [...this.#expected.values()].some((transactions) =>
      transactions.some(({ added }) => added.some((rule) => rule && keyOf(rule) === key)),
    );
  }

  /** The deletions of all these rules, by their handles; undefined: the handle of one of them is not known. */
  deletionsOf(rules: readonly Rule[]): RuleDeletion[] | undefined {
    const deletions: RuleDeletion[] = [];
    for (const rule of rules) {
      // iptables, too, deletes the topmost copy.
      const [handle] = this.known.of(rule);
      if (handle === undefined) return undefined;
      deletions.push({ op: 'delete', rule, handle });
    }
    return deletions;
  }

  /** Call it when the kernel has made these deletions. */
  deleted(deletions: readonly RuleDeletion[]): void {
    for (const { rule, handle } of deletions) this.known.remove(rule, handle);
  }

  #clear(): void {
    this.known.forgetFamily(this.family);
    this.#expected.clear();
  }

  /** What the next transaction of the process in this table adds. */
  #nextOf(pid: number, table: string): (Rule | undefined)[] {
    const expected = this.#expected.get(pid) ?? [];
    const next = expected.findIndex((transaction) => transaction.table === table);
    if (next < 0) return [];
    const [transaction] = expected.splice(next, 1);
    if (expected.length === 0) this.#expected.delete(pid);
    return transaction?.added ?? [];
  }
}

const keyOf = (rule: Rule): string => `${rule.table} ${rule.chain} ${rule.text}`;
