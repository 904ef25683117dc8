import t from 'tap';
import { parseInterfaceName } from '../../../src/core/names.js';
import { limitsOf } from '../../../src/core/network/limits.js';
import { queueFor, type WaitingIn } from '../../../src/core/network/queues.js';
import * as shaping from '../../../src/core/network/shaping.js';

const host = parseInterfaceName('veth0123456');
if (host === undefined) throw new Error('not a name');
const link = shaping.shapedLink(host);
const both = limitsOf([{ down: { rate: 10_000_000 }, up: { rate: 1_000_000_000 } }]);
const { down, up } = both;
if (down === undefined || up === undefined) throw new Error('no limits');
/** As a kernel without fq_codel has it. */
const made: shaping.ObservedShaping = {
  down: { ...shaping.bucketOf(down), queue: undefined },
  ifb: { up: true, bucket: { ...shaping.bucketOf(up), queue: undefined } },
  hook: true,
  redirect: 'ifb',
};
const plan = (
  limits: typeof both,
  observed: shaping.ObservedShaping,
  waitingIn: WaitingIn = 'fifo',
) => shaping.planShaping(link, limits, observed, waitingIn).map(shaping.describeShapingStep);

t.test('names', async (t) => {
  t.strictSame(link, { host: 'veth0123456', ifb: 'tsi0123456' });
  t.equal(shaping.hostOfIfb('tsi0123456'), 'veth0123456');
  t.equal(shaping.hostOfIfb('eth0'), 'eth0');
});

t.test('a bucket holds what comes in one piece, and makes nobody wait long', async (t) => {
  t.strictSame(shaping.bucketOf({ rate: 10_000_000, burst: 12_500 }).limit, 32_768);
  t.strictSame(shaping.bucketOf({ rate: 1_000_000, burst: 65_536 }).limit, 65_536);
  t.strictSame(shaping.bucketOf({ rate: 1_000_000_000, burst: 1_250_000 }).limit, 2_500_000);
});

t.test('what is there already is left alone', async (t) => {
  t.strictSame(plan(both, made), []);
  t.strictSame(plan({}, shaping.unshaped), []);
  t.strictSame(plan({}, { ...shaping.unshaped, hook: true }), [], 'others may have filters there');
  const rounded = { ...shaping.bucketOf(down), burst: down.burst - 1, queue: undefined };
  t.strictSame(plan(both, { ...made, down: rounded }), [], 'the kernel rounds');
});

t.test('the filter is made last', async (t) => {
  t.strictSame(plan(both, shaping.unshaped), [
    'limit veth0123456 to 10mbit down (burst 12500)',
    'create tsi0123456 for what comes in by veth0123456',
    'limit veth0123456 to 1gbit up (burst 1250000)',
    'set tsi0123456 up',
    'add clsact to veth0123456',
    'lead what comes in by veth0123456 to tsi0123456',
  ]);
  t.strictSame(plan({ down }, shaping.unshaped), [
    'limit veth0123456 to 10mbit down (burst 12500)',
  ]);
});

t.test('and is removed first', async (t) => {
  t.strictSame(plan({}, made), [
    'lead what comes in by veth0123456 no more to tsi0123456',
    'end the limit of veth0123456 down',
    'delete tsi0123456',
  ]);
  t.strictSame(
    plan(both, { ...made, ifb: undefined, redirect: 'astray' }),
    [
      'lead what comes in by veth0123456 no more to tsi0123456',
      'create tsi0123456 for what comes in by veth0123456',
      'limit veth0123456 to 1gbit up (burst 1250000)',
      'set tsi0123456 up',
      'lead what comes in by veth0123456 to tsi0123456',
    ],
    'somebody has deleted the ifb',
  );
});

t.test('what somebody has changed', async (t) => {
  const slower = limitsOf([{ down: { rate: 5_000_000 }, up: { rate: 1_000_000_000 } }]);
  t.strictSame(plan(slower, made), ['limit veth0123456 to 5mbit down (burst 6250)']);
  for (const changed of [{ burst: 65_536 }, { limit: 1 }]) {
    const bucket = { ...shaping.bucketOf(down), queue: undefined, ...changed };
    t.strictSame(plan(both, { ...made, down: bucket }), [
      'limit veth0123456 to 10mbit down (burst 12500)',
    ]);
  }
  t.strictSame(plan(both, { ...made, ifb: { up: false, bucket: undefined } }), [
    'limit veth0123456 to 1gbit up (burst 1250000)',
    'set tsi0123456 up',
  ]);
  t.strictSame(plan(both, { ...made, hook: false, redirect: 'none' }), [
    'add clsact to veth0123456',
    'lead what comes in by veth0123456 to tsi0123456',
  ]);
});

const queueDown = 'queue fairly what is limited on veth0123456 down (fq_codel)';
const queueUp = 'queue fairly what is limited on veth0123456 up (fq_codel)';
/** As the kernel tells of it, whose units are not microseconds. */
const observedQueue = (rate: number) => ({
  ...queueFor(rate),
  targetUs: 4_999,
  intervalUs: 99_999,
});
const fair: shaping.ObservedShaping = {
  ...made,
  down: { ...shaping.bucketOf(down), queue: observedQueue(down.rate) },
  ifb: { up: true, bucket: { ...shaping.bucketOf(up), queue: observedQueue(up.rate) } },
};

t.test('a queue fits its rate', async (t) => {
  const mebi = 1024 * 1024;
  const other = { intervalUs: 100_000, limit: 10_240 };
  t.strictSame(queueFor(10_000_000), { targetUs: 5_000, ...other, memory: 4 * mebi });
  t.strictSame(queueFor(1_000_000_000), { targetUs: 5_000, ...other, memory: 25_000_000 });
  t.strictSame(queueFor(40_000_000_000), { targetUs: 5_000, ...other, memory: 32 * mebi });
  t.strictSame(
    [queueFor(2_420_000).targetUs, queueFor(1_000_000), queueFor(64_000).targetUs],
    [5_005, { ...other, targetUs: 12_112, intervalUs: 107_112, memory: 4 * mebi }, 189_250],
    'the target is the time of a full frame, if that is longer',
  );
});

t.test('a fair queue is made after its bucket, and before anything is led to it', async (t) => {
  const steps = [
    'limit veth0123456 to 10mbit down (burst 12500)',
    queueDown,
    'create tsi0123456 for what comes in by veth0123456',
    'limit veth0123456 to 1gbit up (burst 1250000)',
    queueUp,
    'set tsi0123456 up',
    'add clsact to veth0123456',
    'lead what comes in by veth0123456 to tsi0123456',
  ];
  t.strictSame(plan(both, shaping.unshaped, 'fq_codel'), steps);
  t.strictSame(plan(both, shaping.unshaped, 'unknown'), steps, 'so the kernel shows what it has');
  t.strictSame(plan(both, fair, 'fq_codel'), []);
  t.strictSame(plan(both, made, 'fq_codel'), [queueDown, queueUp]);
});

t.test('a bucket that changes in place keeps its queue, unless that has to change', async (t) => {
  const limits = (rate: number) => limitsOf([{ down: { rate }, up: { rate: 1_000_000_000 } }]);
  t.strictSame(plan(limits(5_000_000), fair, 'fq_codel'), [
    'limit veth0123456 to 5mbit down (burst 6250)',
  ]);
  t.strictSame(plan(limits(1_000_000), fair, 'fq_codel'), [
    'limit veth0123456 to 1mbit down (burst 6k)',
    queueDown,
  ]);
});

t.test('a queue that somebody has changed is changed back', async (t) => {
  for (const change of [{ targetUs: 1 }, { intervalUs: 1 }, { limit: 1 }, { memory: 1 }]) {
    const queue = { ...observedQueue(up.rate), ...change };
    const bucket = { ...shaping.bucketOf(up), queue };
    t.strictSame(plan(both, { ...fair, ifb: { up: true, bucket } }, 'fq_codel'), [queueUp]);
  }
});
