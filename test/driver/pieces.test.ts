import t from 'tap';
import { Pieces } from '../../src/pieces.js';

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

t.test('what is short is done in one piece', async (t) => {
  const pieces = new Pieces(() => 0);
  const turns = await turnsDuring(async () => {
    for (let step = 0; step < 100; step += 1) await pieces.pause();
  });
  t.ok(turns <= 1, String(turns));
});

t.test('what is long is not', async (t) => {
  let now = 0;
  const pieces = new Pieces(() => {
    now += 2;
    return now;
  });
  const turns = await turnsDuring(async () => {
    for (let step = 0; step < 100; step += 1) await pieces.pause();
  });
  t.ok(turns >= 20, String(turns));
});

t.test('a generator runs to its end, and fails as it does', async (t) => {
  function* steps(): Generator<void, string> {
    yield;
    yield;
    return 'done';
  }
  t.equal(await new Pieces().run(steps()), 'done');
  function* failing(): Generator<void, string> {
    yield;
    throw new Error('no');
  }
  await t.rejects(new Pieces().run(failing()), { message: 'no' });
});
