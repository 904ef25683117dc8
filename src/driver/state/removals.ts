/**
 * Links that are being removed. The kernel takes tens of milliseconds for each, and no call waits for it:
 * the record says `removing` until the link is gone, so that a start finishes what a crash interrupted.
 */
import { background } from '../../background.js';
import { messageOf } from '../../core/errors.js';
import type { InterfaceName } from '../../core/names.js';
import type { Links, Log } from '../host.js';

/** The pause before the second attempt; it doubles with each further one, up to `lastRetryMs`. */
const firstRetryMs = 1_000;
const lastRetryMs = 60_000;

interface Retry {
  readonly timer: NodeJS.Timeout;
  readonly run: () => Promise<void>;
}

export class Removals {
  readonly #pending = new Map<InterfaceName, Promise<void>>();
  /** Links whose removal has failed and is tried again later. */
  readonly #retries = new Map<InterfaceName, Retry>();

  constructor(
    private readonly links: Links,
    private readonly log: Log,
    private readonly retryMs = firstRetryMs,
  ) {}

  /** Removes the link, then runs `after`; repeats both until they succeed. */
  begin(name: InterfaceName, after: () => Promise<void>): void {
    this.#cancel(name);
    background(this.log, 'removing a link', this.#attempt(name, after, this.retryMs));
  }

  /** Resolves when the link is gone, or could not be removed. */
  async finished(name: InterfaceName): Promise<void> {
    await this.#pending.get(name);
  }

  /** Removes the link now if that has failed before. false if it still fails: the name cannot be used. */
  async clear(name: InterfaceName): Promise<boolean> {
    await this.finished(name);
    await this.#retries.get(name)?.run();
    return !this.#retries.has(name);
  }

  /** Resolves when no removal is at work; those that wait for another attempt do not count. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending.values());
  }

  #attempt(name: InterfaceName, after: () => Promise<void>, pauseMs: number): Promise<void> {
    const removal = this.links
      .remove(name)
      .then(after)
      .catch((error) => {
        const fields = { link: name, error: messageOf(error), retryMs: pauseMs };
        this.log.error(fields, 'removing a link failed; it is tried again');
        const run = (): Promise<void> => {
          this.#cancel(name);
          return this.#attempt(name, after, Math.min(pauseMs * 2, lastRetryMs));
        };
        const timer = setTimeout(() => background(this.log, 'removing a link', run), pauseMs);
        timer.unref();
        this.#retries.set(name, { timer, run });
      })
      .finally(() => {
        if (this.#pending.get(name) === removal) this.#pending.delete(name);
      });
    this.#pending.set(name, removal);
    return removal;
  }

  #cancel(name: InterfaceName): void {
    clearTimeout(this.#retries.get(name)?.timer);
    this.#retries.delete(name);
  }
}
