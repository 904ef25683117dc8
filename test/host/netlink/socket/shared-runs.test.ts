/** Calls that share a run of work. */
import t from 'tap';
import { SharedRuns } from '../../../../src/host/netlink/socket/shared-runs.js';

/** Work that records its batches, and waits in each of them until it is told to go on. */
function controlled() {
  const batches: string[][] = [];
  let goOn: () => void = () => {};
  let failure: Error | undefined;
  const runs = new SharedRuns<string>(async (items) => {
    batches.push([...items]);
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    if (failure !== undefined) throw failure;
    return new Map(items.filter((item) => item === 'bad').map((item) => [item, new Error(item)]));
  });
  return {
    runs,
    batches,
    goOn: async (error?: Error) => {
      failure = error;
      goOn();
      await new Promise(setImmediate);
    },
  };
}

t.test('calls of one turn share a run, and later ones the next', async (t) => {
  const { runs, batches, goOn } = controlled();
  const first = [runs.join('a'), runs.join('b')];
  await new Promise(setImmediate);
  const second = [runs.join('c'), runs.join('d')];
  await goOn();
  await Promise.all(first);
  await goOn();
  await Promise.all(second);
  t.strictSame(batches, [
    ['a', 'b'],
    ['c', 'd'],
  ]);
});

t.test(
  'a call fails alone, or with its whole run, and the next run is not disturbed',
  async (t) => {
    const { runs, goOn } = controlled();
    const good = runs.join('good');
    const refused = t.rejects(runs.join('bad'), /bad/);
    await new Promise(setImmediate);
    await goOn();
    await Promise.all([good, refused]);
    const both = [t.rejects(runs.join('e'), /whole/), t.rejects(runs.join('f'), /whole/)];
    await new Promise(setImmediate);
    await goOn(new Error('whole'));
    await Promise.all(both);
    const next = runs.join('g');
    await new Promise(setImmediate);
    await goOn();
    await next;
  },
);
