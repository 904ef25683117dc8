/** How late the event loop came to its work, as totals of a Prometheus histogram. */

/** Upper bounds of buckets, in seconds. */
export const lagBounds = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5],
  ...[1, 2.5, 5],
] as const;

export interface LagTotals {
  /** For each bound of {@link lagBounds}: how many turns were late by no more than that. */
  readonly upTo: readonly number[];
  readonly count: number;
  /** In seconds. */
  readonly sum: number;
}

export const noLag: LagTotals = { upTo: lagBounds.map(() => 0), count: 0, sum: 0 };

/**
 * The used part of a histogram of `node:perf_hooks`. Its values are nanoseconds from one turn of a timer to the next.
 */
export interface Intervals {
  readonly count: number;
  readonly mean: number;
  /** The value that `percent` of the intervals do not exceed; above 0, up to 100. */
  percentile(percent: number): number;
}

/**
 * The totals with these intervals added.
 *
 * @param everyMs the interval at which the timer should have had its turns, in milliseconds
 */
export function addLag(totals: LagTotals, intervals: Intervals, everyMs: number): LagTotals {
  const { count, mean } = intervals;
  if (count === 0) return totals;
  return {
    upTo: lagBounds.map(
      (bound, at) => (totals.upTo[at] ?? 0) + countUpTo(intervals, bound * 1e9 + everyMs * 1e6),
    ),
    count: totals.count + count,
    sum: totals.sum + Math.max(0, count * (mean - everyMs * 1e6)) / 1e9,
  };
}

/**
 * How many intervals do not exceed `limit` nanoseconds. The histogram has percentiles and no such counts. Percentiles
 * rise, so the count is found by halving, in as many steps as it has bits.
 */
function countUpTo({ count, percentile }: Intervals, limit: number): number {
  let [below, above] = [0, count + 1];
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    if (percentile((middle / count) * 100) <= limit) below = middle;
    else above = middle;
  }
  return below;
}
