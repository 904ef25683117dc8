import t from 'tap';
import { Yielding } from '../src/yielding.js';

/** How often others got their turn meanwhile. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let working = true;
  const others = (async () => {
    for (; working; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  })();
  await work();
  working = false;
  await others;
  return turns;
}

t.test('short work does not yield', async (t) => {
  const yielding = new Yielding(() => 0);
  const turns = await turnsDuring(async () => {
    for (let step = 0; step < 100; step += 1) await yielding.pause();
  });
  t.ok(turns <= 1, String(turns));
});

t.test('long work yields', async (t) => {
  let now = 0;
  const yielding = new Yielding(() => {
    now += 2;
    return now;
  });
  const turns = await turnsDuring(async () => {
    for (let step = 0; step < 100; step += 1) await yielding.pause();
  });
  t.ok(turns >= 20, String(turns));
});

t.test('a generator that yields runs to its end, and fails as it does', async (t) => {
  function* steps(): Generator<void, string> {
    yield;
    yield;
    return 'done';
  }
  t.equal(await new Yielding().run(steps()), 'done');
  function* failing(): Generator<void, string> {
    yield;
    throw new Error('no');
  }
  await t.rejects(new Yielding().run(failing()), { message: 'no' });
});
