import t from 'tap';
import { garbageCollector } from '../../../src/host/process/garbage.js';

t.test('what is no longer used goes at once', async (t) => {
  const collect = garbageCollector();
  const used = {};
  const [kept, dropped] = [new WeakRef(used), new WeakRef({})];
  // A reference that was looked at stays until the end of the turn.
  await new Promise(setImmediate);
  collect();
  t.equal(dropped.deref(), undefined);
  t.equal(kept.deref(), used);
  t.notOk('gc' in globalThis, 'nobody else gets at it');
});
