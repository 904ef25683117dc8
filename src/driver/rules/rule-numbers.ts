/**
 * The kernel's numbers for rules that we have added: learnt from the kernel's reports, spent on
 * deletions. A report comes some milliseconds after its commit, and seconds after one of thousands.
 */
import { type AddedRule, type HandledRule, RuleHandles } from '../../core/rules/handles.js';
import type { Rule } from '../../core/rules/rule.js';
import type { RuleChange } from '../../core/rules/rule-set.js';

/** Deletions that are worth a wait: by text, the kernel first lists the chain, 60,000 in 15 s. */
const manyDeletions = 1_000;
const reportTimeoutMs = 10_000;

export class RuleNumbers {
  readonly #handles = new RuleHandles();
  #reported: () => void = () => {};

  /** This process of ours is about to commit these changes. */
  expect(pid: number, changes: readonly RuleChange[]): void {
    this.#handles.expect(pid, changes);
  }

  /** What the kernel reports of a transaction of somebody's. */
  note(pid: number, added: readonly AddedRule[], tableDeleted: boolean): void {
    if (tableDeleted) this.#handles.clear();
    this.#handles.learn(pid, added);
    this.#reported();
  }

  /** Reports are missing, or a commit went wrong: what was learnt may not hold any more. */
  forget(): void {
    this.#handles.clear();
    this.#reported();
  }

  /** The numbers of all these rules, which are forgotten; undefined if one of them is not known. */
  async take(rules: readonly Rule[]): Promise<HandledRule[] | undefined> {
    if (rules.length > manyDeletions) await this.untilReported(rules);
    return this.#handles.take(rules);
  }

  /** False if the kernel has not reported them all in 10 s. */
  async untilReported(rules: readonly Rule[]): Promise<boolean> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#reported();
    }, reportTimeoutMs);
    while (!late && this.#handles.awaits(rules)) {
      await new Promise<void>((resolve) => {
        this.#reported = resolve;
      });
    }
    clearTimeout(timer);
    return !late;
  }
}
