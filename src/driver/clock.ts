/** Time, so that tests can have their own. */

export interface Clock {
  /** Milliseconds since 1970, at the start; later steps of the host's clock do not count. */
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  /** Also of what has run, or of undefined. */
  clearTimeout(timer: unknown): void;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  // What waits for a time keeps no process from its end.
  setTimeout: (run, ms) => setTimeout(run, ms).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};
