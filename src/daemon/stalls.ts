/**
 * Measures how late the event loop comes to its work, and the longest time for which it was held up. No call is served
 * in such a time.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { addLag, type LagTotals, noLag } from '../operator/metrics/lag.js';

export interface Stalls {
  /** Since {@link watchStalls} began, in milliseconds; 0 if nothing was late. */
  longestMs(): number;
  /** Since {@link watchStalls} began. */
  lag(): LagTotals;
  stop(): void;
}

/** Interval of the timer that measures. Shorter stalls go unseen. */
const everyMs = 20;

export function watchStalls(): Stalls {
  const histogram = monitorEventLoopDelay({ resolution: everyMs });
  histogram.enable();
  let totals = noLag;
  /** Nanoseconds from one turn of the timer to the next, at most so far. */
  let longest = 0;
  /** Adds what was measured since the last call to the totals. */
  const take = (): void => {
    if (histogram.count === 0) return;
    longest = Math.max(longest, histogram.max);
    totals = addLag(
      totals,
      {
        ...{ count: histogram.count, mean: histogram.mean },
        percentile: (percent) => histogram.percentile(percent),
      },
      everyMs,
    );
    histogram.reset();
  };
  return {
    longestMs() {
      take();
      const late = longest / 1e6 - everyMs;
      return Math.max(0, Math.round(late * 10) / 10);
    },
    lag() {
      take();
      return totals;
    },
    stop: () => histogram.disable(),
  };
}
