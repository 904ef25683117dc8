/**
 * What others can change on the host, and what is kept right all the time: rules, links, settings,
 * zones. A concern knows what it should be and how it is put right; when that happens, how often,
 * and what is told of it, is decided in one place for all of them (`self-repair.ts`).
 *
 * A new concern is one file that implements {@link Concern}, and one line in `concerns.ts`: the
 * repair while the daemon runs, the start, `tsbridge reconcile` and `tsbridge status` then have it.
 */
import type { ObservedLink } from '../../../core/network/links.js';
import type { Sign, Signs, Subject } from '../signs.js';

/**
 * Why a repair runs.
 * `start`: the daemon starts, and no call is served yet; `request`: an operator asked for it;
 * `quiet`: after signs, and others have finished; `busy`: after signs, while others may be at work.
 */
export type Occasion = 'start' | 'request' | 'quiet' | 'busy';

/** What a start has read already. */
export interface ReadAtStart {
  readonly links: readonly ObservedLink[];
}

/** For a concern of whose changes no sign tells: it is compared periodically. */
export interface Poll {
  /** From one comparison to the next. */
  readonly intervalMs: number;
  /** Whether something differs. */
  differs(): Promise<boolean>;
}

export interface Concern {
  /** One word for the log, the status and the answer of `reconcile`: `rules`. */
  readonly name: string;
  /** A sign about one of these leads to a repair. */
  readonly signs: readonly Subject[];
  /** All that differs, a line each; changes nothing. */
  differences(): Promise<readonly string[]>;
  /**
   * Puts right what the signs are about; at a start and on request they are about everything. Answers with
   * what was done, a line each, or with `too-early`: to be called again when the host is quiet. Remembers
   * nothing: after `too-early` or a failure the caller comes back with the same signs, and later ones.
   */
  repair(
    occasion: Occasion,
    signs: Signs,
    read?: ReadAtStart,
  ): Promise<readonly string[] | 'too-early'>;
  readonly poll?: Poll;
}

/** Is told of the same signs, and does something other than a repair. */
export interface SignListener {
  noticed(sign: Sign): void;
  stop(): void;
}
