/**
 * Deletes rules by their handles, as the kernel's reports told them. A handle names a rule within one table. If another
 * program has made the table anew, the handle may name a rule of that program. So each deletion names the kernel's
 * generation up to which the reports were read, and the kernel refuses it in any other generation.
 */
import type { Rule } from '../../core/rules/rule.js';
import type { RuleHandles } from './handles.js';
import type { IptablesText } from './iptables-text.js';

/**
 * Most deletions in one transaction; more are split. The kernel searches each rule from the top of its chain, past
 * those that are deleted with it: 19,000 at once take 3 s, and 60,000 ten times as long.
 */
export const mostDeletions = 2_000;
/** How often a deletion is tried if other programs change rules in between. */
const attempts = 5;
/** Milliseconds that a report is waited for. */
const reportTimeoutMs = 2_000;

export class DeletionByHandle {
  /** The kernel's generation as of the last report that was read; undefined: reports were lost. */
  #read: number | undefined;
  /**
   * Between the generations `from` and `to` there are only our own deletions, the last of which made `to`. A deletion
   * gives no rule another handle, so handles that were reported up to one of these generations are right in `to`.
   */
  #own: { readonly from: number; readonly to: number } | undefined;
  readonly #waiting = new Set<() => void>();
  /**
   * The last deletion, of either family. The next one waits for it, because it names the generation that this one
   * makes.
   */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly commands: Pick<IptablesText, 'deleteRules'>,
    private readonly timeoutMs = reportTimeoutMs,
    private readonly most = mostDeletions,
  ) {}

  /**
   * Call it when the handles of a reported transaction are noted.
   *
   * @param generation the kernel's, which the transaction has made; undefined: it is not known
   */
  noteReport(generation: number | undefined): void {
    this.#read = generation;
    for (const wake of this.#waiting) wake();
  }

  /** Call it when some of the kernel's reports were lost. */
  noteGap(): void {
    this.noteReport(undefined);
  }

  /**
   * Deletes rules by handle.
   *
   * @returns the rules that the caller has to delete by their texts: their handles are not known for the kernel's
   *   generation
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

  /** The last generation in which the known handles are right; undefined: there is none. */
  get #generation(): number | undefined {
    const [read, own] = [this.#read, this.#own];
    if (read === undefined || own === undefined) return read;
    return own.from <= read && read <= own.to ? own.to : read;
  }

  /** Waits for a report that changes {@link #generation}. False: none has come in time. */
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
