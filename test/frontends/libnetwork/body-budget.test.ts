import t from 'tap';
import { ByteBudget } from '../../../src/frontends/libnetwork/body-budget.js';

/** Whether it has resolved by now. */
async function isDone(work: Promise<unknown>): Promise<boolean> {
  let done = false;
  void work.then(() => {
    done = true;
  });
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  return done;
}

t.test('what has no room waits for it, in order', async (t) => {
  const budget = new ByteBudget(100);
  const first = await budget.take(60);
  const second = budget.take(50);
  const third = budget.take(10);
  t.notOk(await isDone(second));
  t.notOk(await isDone(third), 'nobody overtakes');
  first();
  first();
  t.ok(await isDone(second));
  t.ok(await isDone(third));
  const fourth = budget.take(50);
  t.notOk(await isDone(fourth), 'giving back twice gives nothing');
  (await second)();
  t.ok(await isDone(fourth));
});

t.test('a body larger than the budget takes all of it', async (t) => {
  const budget = new ByteBudget(100);
  const all = await budget.take(1000);
  const next = budget.take(1);
  t.notOk(await isDone(next));
  all();
  t.ok(await isDone(next));
});
