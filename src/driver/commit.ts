/**
 * Group commit: calls that arrive while a commit runs share the next one, so that a thousand rules
 * or sixty-four containers cost one `iptables-restore` each (docs/adr/0003-commits-and-the-model.md).
 */
import type { Family } from '../core/address.js';
import { wrapError } from '../core/errors.js';
import type { BaseRules } from '../core/firewall/generation.js';
import { planRules, type RuleIntent } from '../core/firewall/plan.js';
import type { RuleSet } from '../core/firewall/rule-set.js';
import { parseSave } from '../core/firewall/save.js';
import { renderRestore } from '../render/restore.js';
import type { Firewall, Log } from './host.js';

interface Pending {
  readonly intent: RuleIntent;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** The rules of one family: what is there as far as we know, and a queue of what shall be. */
export class RuleCommits {
  /** undefined: not known, to be read before the next plan. */
  #found: RuleSet | undefined;
  #queue: Pending[] = [];
  #running = false;

  constructor(
    private readonly family: Family,
    private readonly firewall: Firewall,
    private readonly base: () => BaseRules,
    private readonly log: Log,
  ) {}

  /** Resolves when the intent is true on the host. The caller undoes what a failure left. */
  submit(intent: RuleIntent): Promise<void> {
    if (intent.add.length + intent.remove.length === 0 && !intent.dropForwarded) {
      return Promise.resolve();
    }
    return new Promise((done, failed) => {
      this.#queue.push({ intent, done, failed });
      if (!this.#running) void this.#run();
    });
  }

  /** Somebody else has changed the rules: read them again before the next commit. */
  forget(): void {
    this.#found = undefined;
  }

  /** What is there, as the next commit would find it. */
  async found(): Promise<RuleSet> {
    this.#found ??= parseSave(await this.firewall.read(this.family));
    return this.#found;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      try {
        await this.#commit(batch.map(({ intent }) => intent));
        for (const { done } of batch) done();
      } catch (error) {
        this.log.warn(
          { family: this.family, calls: batch.length, error: String(error) },
          'firewall commit failed; reading the rules again and trying each call alone',
        );
        await this.#commitAlone(batch);
      }
    }
    this.#running = false;
  }

  /** One bad call fails alone; and what failed because the rules had changed gets its second try. */
  async #commitAlone(batch: readonly Pending[]): Promise<void> {
    for (const { intent, done, failed } of batch) {
      try {
        await this.#commit([intent]);
        done();
      } catch (error) {
        failed(wrapError(`changing the IPv${this.family} rules`, error, 'firewall-failed'));
      }
    }
  }

  async #commit(intents: readonly RuleIntent[]): Promise<void> {
    try {
      const found = await this.found();
      const base = this.base();
      const changes = intents.flatMap((intent) => planRules(found, base, intent));
      if (changes.length === 0) return;
      await this.firewall.restore(this.family, renderRestore(changes));
    } catch (error) {
      // The plan was applied to our picture before the host refused it.
      this.forget();
      throw error;
    }
  }
}
