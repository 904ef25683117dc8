/** Promises that nobody awaits have an owner. */
import t from 'tap';
import { answered, awaitedLater, background } from '../src/background.js';

t.test('work in the background that fails is logged, and nothing else comes of it', async (t) => {
  const lines: unknown[] = [];
  const log = { error: (fields: object, text: string) => lines.push([fields, text]) };
  background(log, 'sweeping', Promise.reject(new Error('no broom')));
  background(log, 'dusting', async () => {
    throw new Error('no cloth');
  });
  background(log, 'resting', Promise.resolve());
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(lines, [
    [{ error: 'no broom' }, 'sweeping failed'],
    [{ error: 'no cloth' }, 'dusting failed'],
  ]);
});

t.test('who asked for work is told that it failed, and of nothing else', async (t) => {
  const told: unknown[] = [];
  answered(Promise.reject(new Error('no paper')), (error) => told.push(error));
  answered(Promise.resolve('done'), (error) => told.push(error));
  await new Promise((resolve) => setImmediate(resolve));
  t.match(told, [{ message: 'no paper' }]);
  t.equal(told.length, 1);
});

t.test('a promise that is awaited later still rejects then', async (t) => {
  const promise = Promise.reject(new Error('of old'));
  awaitedLater(promise);
  // With a turn between: Node.js would have taken it for unhandled by now.
  await new Promise((resolve) => setImmediate(resolve));
  await t.rejects(promise, { message: 'of old' });
});
