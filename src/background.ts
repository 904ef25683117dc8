/** Owners for work that nobody waits for: a rejection without one ends the daemon. */
import { messageOf } from './core/errors.js';
import type { Log } from './driver/host.js';

/**
 * Lets work go on by itself. Its failure is logged, and that is all that comes of it: what has to be tried
 * again, or put right, is up to the work.
 *
 * @param what the work, as a log line names it: `what failed`
 */
export function background(
  log: Pick<Log, 'error'>,
  what: string,
  work: Promise<unknown> | (() => Promise<unknown>),
): void {
  const started = typeof work === 'function' ? work() : work;
  started.then(undefined, (error: unknown) =>
    log.error({ error: messageOf(error) }, `${what} failed`),
  );
}

/**
 * For a promise that is stored now and awaited later: whoever awaits it gets its rejection, and this only keeps
 * Node.js from taking it for one that nobody handles, in case it comes before.
 */
export function awaitedLater(promise: Promise<unknown>): void {
  promise.then(undefined, () => undefined);
}
