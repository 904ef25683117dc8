/**
 * Group commit: calls that arrive while a commit runs share the next one, so that a thousand rules
 * or sixty-four containers cost one `iptables-restore` each (docs/adr/0003-commits-and-the-model.md).
 */

import { renderRestore } from '../../codec/iptables-restore.js';
import type { Family } from '../../core/address.js';
import { messageOf, wrapError } from '../../core/errors.js';
import type { AddedRule, HandledRule } from '../../core/rules/handles.js';
import {
  describeMissing,
  intentWithoutTables,
  optionalTables,
  withoutTables,
} from '../../core/rules/missing-tables.js';
import type { BaseRules } from '../../core/rules/plan.js';
import { planInSteps, type RuleIntent } from '../../core/rules/plan.js';
import type { Rule, Table } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import { addedBy, inParts, tableOf } from '../../core/rules/transactions.js';
import { Pieces } from '../../pieces.js';
import type { Firewall, Log } from '../host.js';
import { readInPieces } from './read-rules.js';
import { RuleNumbers } from './rule-numbers.js';

interface Pending {
  /** Asked for right before the plan, so that a repair wants what is wanted then. */
  readonly intent: (found: RuleSet) => RuleIntent | Promise<RuleIntent>;
  /** Read the rules again first: somebody else has changed them. */
  readonly fresh: boolean;
  /** Told what is planned; false: it is not done. */
  readonly wants: (changes: readonly RuleChange[]) => boolean;
  readonly done: (changes: RuleChange[]) => void;
  readonly failed: (error: unknown) => void;
}

/** The rules of one family: what is there as far as we know, and a queue of what shall be. */
export class RuleCommits {
  /** undefined: not known, to be read before the next plan. */
  #found: RuleSet | undefined;
  #listing: Promise<string> | undefined;
  readonly #numbers = new RuleNumbers();
  readonly #queue: Pending[] = [];
  readonly #missing = new Set<Table>();
  /** Of the commit that was tried last. */
  #tried = new Set<Table>();
  #running = false;
  #refused: () => void = () => {};

  constructor(
    private readonly family: Family,
    private readonly firewall: Firewall,
    private readonly base: () => BaseRules,
    private readonly log: Log,
  ) {}

  /** Resolves when the intent is true on the host. The caller undoes what a failure left. */
  submit(intent: (found: RuleSet) => RuleIntent): Promise<RuleChange[]> {
    return this.#enqueue(intent, false, () => true);
  }

  /**
   * As {@link submit}, after a look at what is really there. Resolves with what was changed, or
   * would be if `wants` did not refuse it.
   */
  repair(
    intent: (found: RuleSet) => Promise<RuleIntent>,
    wants: (changes: readonly RuleChange[]) => boolean,
  ): Promise<RuleChange[]> {
    return this.#enqueue(intent, true, wants);
  }

  /** The next look is at what the host has from now on: for a start, where a listing takes its time. */
  readAhead(): void {
    this.#listing = this.firewall.read(this.family);
    // Whoever waits for it is told.
    this.#listing.catch(() => undefined);
  }

  /** Tables that this kernel turned out to lack: what belongs there is left out. */
  get missingTables(): readonly Table[] {
    return [...this.#missing];
  }

  /** Told when the host refuses what fits our picture: somebody has changed more than we know. */
  onRefusal(listener: () => void): void {
    this.#refused = listener;
  }

  /** What the kernel reports of a transaction of somebody's in this family. */
  noteTransaction(pid: number, added: readonly AddedRule[], tableDeleted: boolean): void {
    this.#numbers.note(pid, added, tableDeleted);
  }

  /** Some of the kernel's reports are missing. */
  noteGap(): void {
    this.#numbers.forget();
  }

  #enqueue(
    intent: Pending['intent'],
    fresh: boolean,
    wants: Pending['wants'],
  ): Promise<RuleChange[]> {
    return new Promise((done, failed) => {
      this.#queue.push({ intent, fresh, wants, done, failed });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      try {
        const changes = await this.#commit(batch);
        batch.forEach(({ done }, index) => {
          done(changes[index] ?? []);
        });
      } catch (error) {
        this.log.info(
          { family: this.family, calls: batch.length, error: messageOf(error) },
          'firewall commit refused; reading the rules again and trying each call alone',
        );
        await this.#lookForTables().catch(() => undefined);
        await this.#commitAlone(batch);
        this.#refused();
      }
    }
    this.#running = false;
  }

  /** After a refusal: if a table of the rules is missing, they are tried without it. */
  async #lookForTables(): Promise<void> {
    const { family, firewall } = this;
    const asked = optionalTables(family).filter((table) => this.#tried.has(table));
    for (const table of asked) {
      // Only if the other tables can be written to does it say anything of this one.
      const lacking =
        !(await firewall.hasTable(family, table)) && (await firewall.hasTable(family, 'filter'));
      if (!lacking) continue;
      this.#missing.add(table);
      this.log.warn({ family, table }, describeMissing(family, table));
    }
  }

  /** One bad call fails alone; and what failed because the rules had changed gets its second try. */
  async #commitAlone(batch: readonly Pending[]): Promise<void> {
    for (const pending of batch) {
      try {
        const [changes] = await this.#commit([pending]);
        pending.done(changes ?? []);
      } catch (error) {
        pending.failed(wrapError(`changing the IPv${this.family} rules`, error, 'firewall-failed'));
      }
    }
  }

  /** The changes of each part, in one restore. */
  async #commit(batch: readonly Pending[]): Promise<RuleChange[][]> {
    if (batch.some(({ fresh }) => fresh)) this.#found = undefined;
    this.#tried.clear();
    try {
      const pieces = new Pieces();
      this.#found ??= await this.#read(pieces);
      let found = this.#found;
      const refused = new Set<RuleChange[]>();
      const changes: RuleChange[][] = [];
      for (const { intent, fresh, wants } of batch) {
        // The intent comes first: it may find out that the base is another one. What is no longer
        // wanted when the plan is made will be taken back by a later commit, which waits for this one.
        const wanted = intentWithoutTables(this.#missing, await intent(found));
        const base = withoutTables(this.#missing, this.base());
        await pieces.pause();
        const picture = fresh ? found.copy() : found;
        const planned = await pieces.run(planInSteps(picture, base, wanted));
        changes.push(planned);
        if (!fresh) continue;
        if (!wants(planned)) refused.add(planned);
        else found = picture;
      }
      this.#found = found;
      await pieces.pause();
      const byNumber = !batch.some(({ fresh }) => fresh);
      await this.#apply(changes.filter((each) => !refused.has(each)).flat(), byNumber, pieces);
      return changes;
    } catch (error) {
      // The plan went into our picture before the host refused it.
      this.#found = undefined;
      this.#numbers.forget();
      throw error;
    }
  }

  /** Started ahead, or now. */
  async #read(pieces: Pieces): Promise<RuleSet> {
    const listing = this.#listing ?? this.firewall.read(this.family);
    this.#listing = undefined;
    return readInPieces(await listing, pieces);
  }

  /** Additions before deletions; the latter by number, where all the numbers are known. */
  async #apply(changes: readonly RuleChange[], byNumber: boolean, pieces: Pieces): Promise<void> {
    const deletions = changes.flatMap((change) => (change.op === 'delete' ? [change.rule] : []));
    // What others have changed has other numbers now, and its order counts.
    const handled = byNumber ? await this.#handled(changes, deletions) : undefined;
    const rest = handled ? changes.filter(({ op }) => op !== 'delete') : changes;
    await this.#restore(inParts(rest), pieces);
    if (handled) await this.firewall.deleteRules(this.family, handled);
  }

  async #restore(parts: readonly (readonly RuleChange[])[], pieces: Pieces): Promise<void> {
    const { family, firewall } = this;
    let reported = firewall.deletesByHandle(family);
    for (const [index, part] of parts.entries()) {
      // What one part leads to in the kernel's buffer has to be out before the next.
      const before = parts[index - 1];
      if (before && reported) reported = await this.#numbers.untilReported(addedBy(before));
      const text = renderRestore(part);
      await pieces.pause();
      this.#tried = new Set(part.map((change) => tableOf(change)));
      await firewall.restore(family, text, (pid) => this.#numbers.expect(pid, part));
    }
  }

  async #handled(
    changes: readonly RuleChange[],
    deletions: readonly Rule[],
  ): Promise<HandledRule[] | undefined> {
    if (deletions.length === 0 || !this.firewall.deletesByHandle(this.family)) return undefined;
    // A chain goes after its last rule, in the same transaction.
    if (changes.some(({ op }) => op === 'delete-chain')) return undefined;
    return this.#numbers.take(deletions);
  }
}
