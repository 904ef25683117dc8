/** How long the event loop was held up at most: nothing else of the daemon runs meanwhile. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Stalls {
  /** Since {@link watchStalls} began, in milliseconds; 0 if nothing was late. */
  longestMs(): number;
  stop(): void;
}

/** Of the timer that finds out: 50 times a second, and stalls below a few ms are not seen. */
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
