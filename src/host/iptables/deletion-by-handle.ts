/**
 * Deletes rules by the handles that the kernel's reports told. A handle names a rule of one table only: in a table
 * that others have made anew it may name a rule of theirs. So each deletion names the kernel's generation up to which
 * the reports were read, and the kernel refuses it in any other one.
 */
import type { Rule } from '../../core/rules/rule.js';
import type { RuleHandles } from './handles.js';
import type { IptablesText } from './iptables-text.js';

/**
 * More deletions than this are split: the kernel searches each rule from the top of its chain, past
 * those that are deleted with it, so that 19,000 at once take 3 s and 60,000 ten times as long.
 */
export const mostDeletions = 2_000;
/** How often rules are sent again because others changed some in between. */
const attempts = 5;
/** Milliseconds until a report that does not come is no longer waited for. */
const reportTimeoutMs = 2_000;

export class DeletionByHandle {
  /** The kernel's generation as of the last report that was read; undefined: reports were lost. */
  #read: number | undefined;
  /**
   * Generations that only our deletions lie between, the last of which we have made. They give no rule another handle,
   * so that what the reports told up to any of them is good for the last one.
   */
  #own: { readonly from: number; readonly to: number } | undefined;
  readonly #waiting = new Set<() => void>();
  /** The last deletion of either family: the next one names the generation that it makes. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly commands: Pick<IptablesText, 'deleteRules'>,
    private readonly timeoutMs = reportTimeoutMs,
    private readonly most = mostDeletions,
  ) {}

  /** Call it when the handles of the transaction's rules are noted. */
  noteReport(generation: number | undefined): void {
    this.#read = generation;
    for (const wake of this.#waiting) wake();
  }

  /** Call it when some of the kernel's reports were lost. */
  noteGap(): void {
    this.noteReport(undefined);
  }

  /**
   * @returns those that are still to be deleted, by their texts: their handles are not known for the kernel's generation
   * @throws {DriverError} `firewall-failed`: one of the rules is not there
   */
  async delete(rules: readonly Rule[], handles: RuleHandles): Promise<Rule[]> {
    const left: Rule[] = [];
    for (let from = 0; from < rules.length; from += this.most) {
      const part = rules.slice(from, from + this.most);
      const done = this.#last.then(() => this.#deletePart(part, handles));
      this.#last = done.catch(() => undefined);
      if (!(await done)) left.push(...part);
    }
    return left;
  }

  /** @returns whether they were deleted */
  async #deletePart(rules: readonly Rule[], handles: RuleHandles): Promise<boolean> {
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const generation = this.#generation;
      const deletions = handles.deletionsOf(rules);
      if (generation === undefined || deletions === undefined) return false;
      if (await this.commands.deleteRules(deletions, generation)) {
        const from = this.#own?.to === generation ? this.#own.from : generation;
        this.#own = { from, to: generation + 1 };
        handles.deleted(deletions);
        return true;
      }
      if (!(await this.#reportAfter(generation))) return false;
    }
    return false;
  }

  /** The last generation of which it is known which handle is whose. */
  get #generation(): number | undefined {
    const [read, own] = [this.#read, this.#own];
    if (read === undefined || own === undefined) return read;
    return own.from <= read && read <= own.to ? own.to : read;
  }

  /** False if no report comes that tells of another generation. */
  async #reportAfter(generation: number): Promise<boolean> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      for (const wake of this.#waiting) wake();
    }, this.timeoutMs);
    while (!late && this.#generation === generation) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
    clearTimeout(timer);
    return !late;
  }
}
