/** The longest time for which the event loop was held up; no call is served in such a time. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Stalls {
  /** Since {@link watchStalls} began, in milliseconds; 0 if nothing was late. */
  longestMs(): number;
  stop(): void;
}

/** Interval of the timer that measures. Shorter stalls go unseen. */
const everyMs = 20;

export function watchStalls(): Stalls {
  const histogram = monitorEventLoopDelay({ resolution: everyMs });
  histogram.enable();
  return {
    longestMs() {
      const late = histogram.max / 1e6 - everyMs;
      return histogram.count === 0 ? 0 : Math.max(0, Math.round(late * 10) / 10);
    },
    stop: () => histogram.disable(),
  };
}
