/** How late the event loop was, from a histogram that tells percentiles only. */
import { createHistogram } from 'node:perf_hooks';
import fc from 'fast-check';
import t from 'tap';
import { addLag, lagBounds, noLag } from '../../../src/operator/metrics/lag.js';

const everyMs = 20;

/** Intervals of a timer that was late by so many milliseconds. */
function measured(lateMs: readonly number[]) {
  const histogram = createHistogram();
  for (const late of lateMs) histogram.record(Math.round((late + everyMs) * 1e6));
  return {
    ...{ count: histogram.count, mean: histogram.mean },
    percentile: (percent: number) => histogram.percentile(percent),
  };
}

t.test('each turn is counted in every bucket that it is not later than', async (t) => {
  const first = addLag(noLag, measured([0, 0.5, 3, 30, 7_000]), everyMs);
  t.match(first, { upTo: [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4], count: 5 });
  t.ok(Math.abs(first.sum - 7.0335) < 0.01, String(first.sum));
  const second = addLag(first, measured([400, 0]), everyMs);
  t.match(second, { upTo: [3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 6], count: 7 });
  t.equal(addLag(second, measured([]), everyMs), second, 'nothing was measured');
});

t.test('whatever was measured', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 6_000 }), { minLength: 1 }), (late) => {
      // Not at a bound: the histogram keeps three digits of a value.
      const turns = late.map((each) => each + 0.7);
      const { upTo, count } = addLag(noLag, measured(turns), everyMs);
      const counts = lagBounds.map((bound) => turns.filter((each) => each <= bound * 1_000).length);
      const near = lagBounds.map(
        (bound) => turns.filter((each) => Math.abs(each - bound * 1_000) < bound * 5).length,
      );
      return (
        count === turns.length &&
        upTo.every((each, at) => Math.abs(each - (counts[at] ?? 0)) <= (near[at] ?? 0))
      );
    }),
  );
});
