/**
 * Owners for promises that no code awaits: Node.js ends the daemon when a promise rejects and none handles it.
 */
import { messageOf } from './core/errors.js';
import type { Log } from './driver/host.js';

/**
 * Lets work go on by itself. A failure is logged and nothing else: the work itself has to try again or undo
 * what it has done.
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

/** Lets work go on by itself. `failed` tells whoever asked for it of a failure, and must not throw. */
export function answered(work: Promise<unknown>, failed: (error: unknown) => void): void {
  work.then(undefined, failed);
}

/**
 * For a promise that is stored now and awaited later. The awaiter gets its rejection; this only prevents
 * Node.js from ending the daemon (unhandledRejection) if the promise rejects before it is awaited.
 */
export function awaitedLater(promise: Promise<unknown>): void {
  promise.then(undefined, () => undefined);
}
