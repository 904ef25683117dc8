/** When a repair runs, what it tells, and how it steps back: with a clock of its own. */

import t from 'tap';
import type { Author } from '../../../src/driver/host.js';
import { defaultTiming, Watch } from '../../../src/driver/repair/debounce.js';
import type { Sign } from '../../../src/driver/repair/signs.js';
import { FakeClock } from '../../fakes/fake-clock.js';
import { RecordingLog } from '../../fakes/recording-log.js';

const { quietMs, latestMs, longQuietMs, patienceMs, flappingMs, flappingLimit, backOffMs } =
  defaultTiming;

const rules = (author: Author): Sign => ({ kind: 'rules', families: [4], author });

type Answer = (settled: boolean) => Promise<readonly string[] | 'too-early'>;

/** A watch whose repairs answer as `answer` does, and the times at which they ran. */
function make(answer: Answer = async () => ['append filter FORWARD -j DOCKER-USER']) {
  const clock = new FakeClock();
  const log = new RecordingLog();
  const { lines } = log;
  const start = clock.now();
  const runs: { at: number; settled: boolean }[] = [];
  const watch = new Watch(
    {
      name: 'rules',
      repair: (occasion) => {
        const settled = occasion === 'quiet';
        runs.push({ at: clock.now() - start, settled });
        return answer(settled);
      },
    },
    log,
    clock,
  );
  return { clock, lines, runs, watch, times: () => runs.map(({ at }) => at) };
}

t.test('a change is followed by one repair and one line', async (t) => {
  const { clock, lines, runs, watch } = make();
  watch.changed(rules({ program: 'nft', pid: 4711 }));
  await clock.pass(quietMs - 1);
  t.equal(runs.length, 0);
  await clock.pass(10_000);
  t.strictSame(runs, [{ at: quietMs, settled: false }]);
  t.strictSame(lines, [
    {
      level: 'warn',
      fields: {
        author: 'nft (process 4711)',
        count: 1,
        first: ['append filter FORWARD -j DOCKER-USER'],
        durationMs: 0,
      },
      message: 'repaired rules that somebody else had changed',
    },
  ]);
  t.match(watch.status(), { repairs: { nft: 1 }, last: { count: 1 }, steppedBack: false });
  t.equal(watch.status().last?.at, new Date(1_000_000 + quietMs).toISOString());
});

t.test('a look that finds nothing to do is not told', async (t) => {
  const { clock, lines, runs, watch } = make(async () => []);
  watch.changed();
  await clock.pass(10_000);
  t.equal(runs.length, 1);
  t.strictSame(lines, []);
  t.strictSame(watch.status(), { repairs: {}, last: undefined, steppedBack: false });
});

t.test('whoever is at work finishes first, unless it takes too long', async (t) => {
  const { clock, times, watch } = make();
  for (let sign = 0; sign < 5; sign += 1) {
    watch.changed();
    await clock.pass(quietMs - 20);
  }
  t.strictSame(times(), []);
  await clock.pass(quietMs);
  t.strictSame(times(), [4 * (quietMs - 20) + quietMs]);

  const busy = make(async () => []);
  for (let sign = 0; sign < 30; sign += 1) {
    busy.watch.changed();
    await busy.clock.pass(50);
  }
  t.strictSame(busy.times(), [latestMs, latestMs * 2], 'in the middle of it');
});

t.test('what has to wait for an engine that starts does', async (t) => {
  const { clock, lines, runs, watch } = make(async (settled) =>
    settled ? ['create-chain nat DOCKER'] : 'too-early',
  );
  watch.changed(rules({ program: 'iptables', pid: 1 }));
  for (let step = 0; step < 10; step += 1) {
    await clock.pass(quietMs + 30);
    watch.changed(rules({ program: 'iptables', pid: 2 + step }));
  }
  const looks = runs.length;
  t.notOk(
    runs.some(({ settled }) => settled),
    'not while it is at work',
  );
  const last = clock.now() - 1_000_000;
  await clock.pass(10_000);
  t.strictSame(runs.slice(looks), [{ at: last + longQuietMs, settled: true }]);
  t.equal(lines.length, 1);
  t.match(lines, [{ fields: { author: 'iptables (11 processes, the last was 11)' } }]);
  t.strictSame(watch.status().repairs, { iptables: 1 });

  const endless = make(async (settled) => (settled ? ['create-chain nat DOCKER'] : 'too-early'));
  while (endless.clock.now() - 1_000_000 < patienceMs * 1.5) {
    endless.watch.changed();
    await endless.clock.pass(100);
  }
  t.equal(endless.runs.findIndex(({ settled }) => settled) > 0, true, 'but not for ever');
});

t.test('a change during a repair is looked at afterwards, by one repair at a time', async (t) => {
  let finish = (_: readonly string[]) => {};
  const { clock, runs, watch, lines } = make(
    () =>
      new Promise((done) => {
        finish = done;
      }),
  );
  watch.changed(rules({ program: 'nft', pid: 1 }));
  await clock.pass(quietMs);
  watch.changed(rules({ program: 'ufw', pid: 2 }));
  watch.changed(rules({ program: 'ufw', pid: 2 }));
  await clock.pass(1_000);
  t.equal(runs.length, 1, 'the first still runs');
  finish(['a']);
  await clock.pass(1_000);
  t.equal(runs.length, 2);
  finish(['b']);
  await clock.pass(10_000);
  t.equal(runs.length, 2);
  t.strictSame(
    lines.map(({ fields }) => fields.author),
    ['nft (process 1)', 'ufw (process 2)'],
  );
});

t.test('changes by several programs are repaired together and all named', async (t) => {
  const { clock, lines, watch } = make();
  watch.changed(rules({ program: 'nft', pid: 1 }));
  watch.changed();
  watch.changed(rules({ program: 'iptables', pid: 2 }));
  watch.changed(rules({ program: 'iptables', pid: 3 }));
  await clock.pass(1_000);
  t.match(lines, [
    { fields: { author: 'nft (process 1), iptables (2 processes, the last was 3)' } },
  ]);
  t.strictSame(watch.status().repairs, { nft: 1, iptables: 1 });
});

t.test('repairs that keep being undone: stepping back, and saying so', async (t) => {
  const changes = Array.from({ length: 9 }, (_, index) => `append filter FORWARD ${index}`);
  const { clock, lines, times, watch } = make(async () => changes);
  const fight = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 200) {
      watch.changed(rules({ program: 'ufw', pid: 7 }));
      await clock.pass(200);
    }
  };
  await fight(120_000);
  const gaps = times().map((at, index) => at - (times()[index - 1] ?? 0));
  const { first, last } = backOffMs;
  const back = gaps.slice(flappingLimit + 1);
  t.ok(
    gaps.slice(1, flappingLimit).every((gap) => gap < first),
    `at first at once: ${gaps.slice(1, flappingLimit)}`,
  );
  back.forEach((gap, index) => {
    t.ok(gap >= Math.min(last, first * 2 ** index), `then after ${gap} ms`);
  });
  t.ok(back.at(-1) === last, 'and never later than that');
  t.equal(watch.status().steppedBack, true);
  t.strictSame(
    lines.filter(({ level }) => level === 'error'),
    [
      {
        level: 'error',
        fields: { author: 'ufw (process 7)', retryMs: first },
        message: 'repairs of rules keep being undone: stepping back; find out who changes them',
      },
    ],
    'once',
  );
  t.match(lines[0], { fields: { count: 9, first: { length: 5 } } });

  await clock.pass(2 * (last + flappingMs));
  t.equal(watch.status().steppedBack, false, 'peace');
  const before = times().length;
  watch.changed();
  await clock.pass(quietMs);
  t.equal(times().length, before + 1, 'later it is repaired at once again');
  t.equal(watch.status().steppedBack, false);
});

t.test('other things, or the same by others, are no quarrel', async (t) => {
  for (const [what, lines, programs] of [
    ['other things', ['a', 'b'], ['ufw', 'ufw']],
    ['others', ['a', 'a'], ['ufw', 'nft']],
  ] as const) {
    let turn = 0;
    const { clock, runs, watch } = make(async () => {
      turn += 1;
      return [lines[turn % 2] ?? ''];
    });
    for (let sign = 0; sign < 20; sign += 1) {
      watch.changed(rules({ program: programs[sign % 2] ?? '', pid: sign }));
      await clock.pass(quietMs * 2);
    }
    t.equal(runs.length, 20, what);
    t.equal(watch.status().steppedBack, false);
  }
});

t.test('repairs now and then are no quarrel', async (t) => {
  const { clock, lines, runs, watch } = make();
  for (let turn = 0; turn < 20; turn += 1) {
    watch.changed();
    await clock.pass(flappingMs + quietMs + 1);
  }
  t.equal(runs.length, 20);
  t.notOk(lines.some(({ level }) => level === 'error'));
});

t.test('a repair that fails is tried again, less and less often', async (t) => {
  let broken = true;
  const { clock, lines, times, watch } = make(async () => {
    if (broken) throw new Error('iptables-restore: no memory');
    return ['a'];
  });
  watch.changed(rules({ program: 'nft', pid: 1 }));
  await clock.pass(quietMs + backOffMs.first * 7);
  t.strictSame(times(), [
    quietMs,
    quietMs + backOffMs.first,
    quietMs + backOffMs.first * 3,
    quietMs + backOffMs.first * 7,
  ]);
  t.match(
    lines,
    Array.from({ length: 4 }, () => ({ level: 'error' })),
  );
  t.match(lines[1], {
    fields: {
      error: 'iptables-restore: no memory',
      author: 'nft (process 1)',
      retryMs: backOffMs.first * 2,
    },
    message: 'repair of rules failed; it is tried again',
  });
  t.equal(watch.status().steppedBack, true);
  broken = false;
  await clock.pass(backOffMs.first * 8);
  t.match(lines.at(-1), { level: 'warn', fields: { author: 'nft (process 1)' } });
  t.equal(watch.status().steppedBack, false);
});

t.test('after stop no repair runs', async (t) => {
  const { clock, runs, watch } = make();
  watch.changed();
  watch.stop();
  watch.changed();
  await clock.pass(10_000);
  t.equal(runs.length, 0);
  t.equal(clock.pending, 0);
});
