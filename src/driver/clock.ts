/** Time, so that tests can have their own. */

export interface Clock {
  /** Milliseconds since 1970, at the start; later steps of the host's clock do not count. */
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  /** Does nothing for a timer that has run, and for undefined. */
  clearTimeout(timer: unknown): void;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  // `unref`: a timer that has not run yet keeps no process from its end.
  setTimeout: (run, ms) => setTimeout(run, ms).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};
