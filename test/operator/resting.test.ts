import t from 'tap';
import { Resting } from '../../src/daemon/resting.js';
import type { Happening } from '../../src/driver/telemetry.js';

const call: Happening = { kind: 'call', method: 'Join', durationMs: 1, code: 'ok' };

function resting() {
  const did: string[] = [];
  const errors: unknown[] = [];
  let now = 0;
  const memory = {
    trimAllocator: async () => void did.push('allocator'),
    releaseProgram: async () => void did.push('program'),
  };
  const log = { error: (fields: object) => void errors.push(fields) };
  const rest = new Resting(memory, log, () => now);
  return {
    rest,
    errors,
    pass: (ms: number) => {
      now += ms;
    },
    /** Looks, and tells what this look has given back. */
    async look() {
      did.length = 0;
      await rest.look();
      return [...did];
    },
  };
}

t.test(
  'memory is given back twice after the start, and then after calls, while none comes',
  async (t) => {
    const { rest, pass, look } = resting();
    t.strictSame(await look(), ['allocator', 'program'], 'after the start');
    pass(1_999);
    t.strictSame(await look(), [], 'a moment later');
    pass(1);
    t.strictSame(await look(), ['program'], 'what goes on after a start used some of it once');
    rest.tell({ kind: 'record-written', ok: true });
    t.strictSame(await look(), [], 'no call');
    rest.tell(call);
    pass(499);
    t.strictSame(await look(), [], 'the next call may come at once');
    pass(1);
    t.strictSame(await look(), ['allocator'], 'the program was given back a moment ago');
    t.strictSame(await look(), [], 'nothing was done since');
    pass(599_500);
    t.strictSame(await look(), ['program']);
  },
);

t.test('after a stop before the end of recovery nothing is begun', (t) => {
  const { rest } = resting();
  // Other tests of this process may have timers, too.
  const timers = () => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
  const before = timers();
  rest.stop();
  rest.start();
  rest.stop();
  t.equal(timers(), before, 'nothing is begun any more');
  t.end();
});

t.test('a host that does not let it is told of once', async (t) => {
  let now = 0;
  let asked = 0;
  const memory = {
    trimAllocator: async () => undefined,
    releaseProgram: async () => {
      asked += 1;
      throw new Error('no /proc/self/smaps');
    },
  };
  const rest = new Resting(memory, { error: () => undefined }, () => now);
  await t.rejects(rest.look(), /smaps/);
  now += 3_600_000;
  await rest.look();
  t.equal(asked, 1);
});
