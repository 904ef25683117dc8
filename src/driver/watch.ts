/** Signs of change from outside → repairs, gathered, one at a time. */
import { messageOf } from '../core/errors.js';
import type { Log } from './host.js';

export interface WatchTiming {
  /** Repair when nothing has changed for so long: whoever is at work shall finish first. */
  readonly quietMs: number;
  /** But repair at the latest so long after the first sign. */
  readonly latestMs: number;
  /** After a repair that was undone at once, wait twice as long, up to this. */
  readonly backOffMs: number;
}

export const defaultTiming: WatchTiming = { quietMs: 120, latestMs: 700, backOffMs: 30_000 };

/** How soon a repair must be undone again to count as a quarrel. */
const quarrelMs = 5_000;
/** That many in a row before we step back. */
const quarrels = 5;

export class Watch {
  #timer: NodeJS.Timeout | undefined;
  #first = 0;
  #author: string | undefined;
  #running = false;
  #again = false;
  #lastRepair = 0;
  #undone = 0;
  #stopped = false;
  /** Repairs by who made them necessary; for status and metrics. */
  readonly repairs = new Map<string, number>();

  constructor(
    /** `rules` or `links`, for the log. */
    private readonly what: string,
    /** Answers with what had to be done, a line each. */
    private readonly repair: () => Promise<readonly string[]>,
    private readonly log: Log,
    private readonly timing: WatchTiming = defaultTiming,
  ) {}

  /** Something changed. `author`: who did it, where the kernel says so. */
  changed(author?: string): void {
    if (this.#stopped) return;
    this.#author = author ?? this.#author;
    if (this.#running) {
      this.#again = true;
      return;
    }
    const now = Date.now();
    if (this.#timer === undefined) this.#first = now;
    clearTimeout(this.#timer);
    const patience = Math.max(0, this.#first + this.timing.latestMs - now);
    const wait = this.#backOff() ?? Math.min(this.timing.quietMs, patience);
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Longer than usual if repairs keep being undone; undefined otherwise. */
  #backOff(): number | undefined {
    if (this.#undone < quarrels) return undefined;
    return Math.min(this.timing.backOffMs, 1_000 * 2 ** (this.#undone - quarrels));
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#running = true;
    const author = this.#author ?? 'unknown';
    this.#author = undefined;
    const started = Date.now();
    try {
      const done = await this.repair();
      if (done.length > 0) this.#report(author, started, done);
    } catch (error) {
      this.log.error({ error: messageOf(error) }, 'repair failed; it is tried again');
      this.#again = true;
    }
    this.#running = false;
    if (this.#again) {
      this.#again = false;
      this.changed();
    }
  }

  #report(author: string, started: number, done: readonly string[]): void {
    const now = Date.now();
    this.#undone = now - this.#lastRepair < quarrelMs ? this.#undone + 1 : 0;
    this.#lastRepair = now;
    this.repairs.set(author, (this.repairs.get(author) ?? 0) + 1);
    this.log.warn(
      {
        author,
        count: done.length,
        first: done.slice(0, 5),
        durationMs: now - started,
      },
      `repaired ${this.what} that somebody else had changed`,
    );
    if (this.#undone === quarrels) {
      this.log.error(
        { author },
        `repairs of ${this.what} keep being undone: stepping back; find out who changes them`,
      );
    }
  }
}
