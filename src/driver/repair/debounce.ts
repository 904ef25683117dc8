/** Signs that other programs changed something → repairs: many signs make one, and one runs at a time. */
import { background } from '../../background.js';
import { messageOf } from '../../core/errors.js';
import { type Clock, systemClock } from '../clock.js';
import type { Log } from '../host.js';
import { shownInEvent, type Telemetry, untold } from '../telemetry.js';
import { Authors } from './author.js';
import type { Concern } from './concerns/concern.js';
import { CollectedSigns, type Sign } from './signs.js';

export interface WatchTiming {
  /** A repair begins when no sign has come for so long, so that the program that makes changes can finish. */
  readonly quietMs: number;
  /** At the latest it begins so long after the first sign. */
  readonly latestMs: number;
  /** What could disturb an engine that starts (creating chains) begins when no sign has come for so long. */
  readonly longQuietMs: number;
  /** At the latest it begins so long after the first sign. */
  readonly patienceMs: number;
  /** A repair that is needed again within this time, because of the same program, was undone. */
  readonly flappingMs: number;
  /** After so many in a row, repairs are delayed. */
  readonly flappingLimit: number;
  /** The delay of the next repair, also after a failed one: doubles each time, from `first` up to `last`. */
  readonly backOffMs: { readonly first: number; readonly last: number };
}

export const defaultTiming: WatchTiming = {
  quietMs: 120,
  latestMs: 700,
  longQuietMs: 400,
  patienceMs: 8_000,
  flappingMs: 5_000,
  flappingLimit: 8,
  backOffMs: { first: 1_000, last: 30_000 },
};

export interface LastRepair {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly author: string;
  /** How many changes, and the first of them. */
  readonly count: number;
  readonly first: readonly string[];
  readonly durationMs: number;
}

export interface WatchStatus {
  /** Repairs by the program that made them necessary. */
  readonly repairs: Readonly<Record<string, number>>;
  readonly last: LastRepair | undefined;
  /** Repairs keep being undone or fail: the next one waits. */
  readonly steppedBack: boolean;
}

export class Watch {
  readonly #causes = new Map<string, number>();
  #last: LastRepair | undefined;
  #timer: unknown;
  /** When the first sign came that no repair has dealt with; undefined: there is none. */
  #firstSign: number | undefined;
  #lastSign = 0;
  /** Those that no repair has dealt with. */
  #signs = new CollectedSigns();
  #running = false;
  #waitsForLongQuiet = false;
  #endOfRepair = Number.NEGATIVE_INFINITY;
  #undone = 0;
  #repaired = { lines: new Set<string>(), authors: new Authors() };
  #endOfFailure = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #stopped = false;

  constructor(
    private readonly concern: Pick<Concern, 'name' | 'repair'>,
    private readonly log: Log,
    private readonly clock: Clock = systemClock,
    private readonly timing: WatchTiming = defaultTiming,
    private readonly telemetry: Telemetry = untold,
  ) {}

  /** @param sign without it: a comparison has found that something differs */
  changed(sign?: Sign): void {
    const now = this.clock.now();
    this.#firstSign ??= now;
    this.#lastSign = now;
    if (sign !== undefined) this.#signs.add(sign);
    this.#schedule();
  }

  /** How long the oldest sign has waited that no repair has dealt with; 0: there is none. */
  get pendingMs(): number {
    return this.#firstSign === undefined ? 0 : Math.max(0, this.clock.now() - this.#firstSign);
  }

  stop(): void {
    this.#stopped = true;
    this.clock.clearTimeout(this.#timer);
  }

  status(): WatchStatus {
    const { flappingLimit, flappingMs } = this.timing;
    const peace = this.#endOfRepair + this.#backOff(this.#undone - flappingLimit) + flappingMs;
    const flapping = this.#undone >= flappingLimit && this.clock.now() < peace;
    return {
      repairs: Object.fromEntries(this.#causes),
      last: this.#last,
      steppedBack: flapping || this.#failures > 0,
    };
  }

  #schedule(): void {
    if (this.#stopped || this.#running || this.#firstSign === undefined) return;
    this.clock.clearTimeout(this.#timer);
    const { quietMs, latestMs, longQuietMs, patienceMs } = this.timing;
    const due = Math.max(
      this.#waitsForLongQuiet
        ? Math.min(this.#lastSign + longQuietMs, this.#firstSign + patienceMs)
        : Math.min(this.#lastSign + quietMs, this.#firstSign + latestMs),
      this.#endOfRepair + this.#backOff(this.#undone - this.timing.flappingLimit),
      this.#endOfFailure + this.#backOff(this.#failures - 1),
    );
    const wait = Math.max(0, due - this.clock.now());
    this.#timer = this.clock.setTimeout(() => {
      background(this.log, `repair of ${this.concern.name}`, this.#run());
    }, wait);
  }

  /** 0 below step 0. */
  #backOff(step: number): number {
    const { first, last } = this.timing.backOffMs;
    return step < 0 ? 0 : Math.min(last, first * 2 ** step);
  }

  async #run(): Promise<void> {
    const { longQuietMs, patienceMs } = this.timing;
    const started = this.clock.now();
    const first = this.#firstSign ?? started;
    const longQuiet = started - this.#lastSign >= longQuietMs || started - first >= patienceMs;
    const signs = this.#signs;
    this.#firstSign = undefined;
    // Signs that come while the repair runs are for the next one: it may have read the host before them.
    this.#signs = new CollectedSigns();
    this.#running = true;
    let again = false;
    try {
      const done = await this.concern.repair(longQuiet ? 'quiet' : 'busy', signs);
      this.#failures = 0;
      this.#waitsForLongQuiet = done === 'too-early';
      if (done === 'too-early') again = true;
      else if (done.length > 0) this.#report(signs.authors, first, started, done);
    } catch (error) {
      again = true;
      this.#failures += 1;
      this.telemetry.tell({ kind: 'repair-failed', what: this.concern.name });
      this.#endOfFailure = this.clock.now();
      const retryMs = this.#backOff(this.#failures - 1);
      this.log.error(
        { error: messageOf(error), author: String(signs.authors), retryMs },
        `repair of ${this.concern.name} failed; it is tried again`,
      );
    }
    this.#running = false;
    if (again) {
      this.#firstSign = first;
      signs.addAll(this.#signs);
      this.#signs = signs;
    }
    this.#schedule();
  }

  #report(authors: Authors, firstSign: number, started: number, done: readonly string[]): void {
    const { flappingMs, flappingLimit } = this.timing;
    const now = this.clock.now();
    const undone =
      firstSign - this.#endOfRepair < flappingMs &&
      done.some((line) => this.#repaired.lines.has(line)) &&
      authors.programs.some((program) => this.#repaired.authors.programs.includes(program));
    this.#undone = undone ? this.#undone + 1 : 0;
    this.#endOfRepair = now;
    this.#repaired = { lines: new Set(done), authors };
    const author = String(authors);
    for (const cause of authors.programs) {
      this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + 1);
    }
    this.#last = {
      at: new Date(now).toISOString(),
      author,
      count: done.length,
      first: done.slice(0, shownInEvent),
      durationMs: now - started,
    };
    const { at: _, ...fields } = this.#last;
    this.log.warn(fields, `repaired ${this.concern.name} that somebody else had changed`);
    const { count, first } = this.#last;
    this.telemetry.tell({
      ...{ kind: 'repair', what: this.concern.name, by: author, programs: authors.programs },
      ...{ count, first, durationMs: now - firstSign },
    });
    if (this.#undone === flappingLimit) {
      this.log.error(
        { author, retryMs: this.#backOff(0) },
        `repairs of ${this.concern.name} keep being undone: stepping back; find out who changes them`,
      );
    }
  }
}
