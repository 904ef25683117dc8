import t from 'tap';
import { decodeLimits } from '../../../src/driver/state/limit-records.js';

t.test('limits on record are read as carefully as a request', async (t) => {
  for (const limits of [
    {},
    { down: { rate: 10_000_000, burst: 65_536 }, up: { rate: 'none' } },
    { up: { burst: 40_000 } },
  ]) {
    t.strictSame(decodeLimits(JSON.parse(JSON.stringify(limits))), limits);
  }
  t.strictSame(decodeLimits({ sideways: 1 }), {});
  for (const limits of [
    7,
    { down: 'fast' },
    { down: { rate: '10mbit' } },
    { down: { rate: 1 } },
    { up: { rate: 1.5e7 + 0.5 } },
    { up: { burst: 1 } },
    { up: { burst: 2 ** 40 } },
  ]) {
    t.throws(() => decodeLimits(limits), { code: 'record-unreadable' }, JSON.stringify(limits));
  }
});
