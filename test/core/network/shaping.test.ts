import t from 'tap';
import { parseInterfaceName } from '../../../src/core/names.js';
import { limitsOf } from '../../../src/core/network/limits.js';
import * as shaping from '../../../src/core/network/shaping.js';

const host = parseInterfaceName('veth0123456');
if (host === undefined) throw new Error('not a name');
const link = shaping.shapedLink(host);
const both = limitsOf([{ down: { rate: 10_000_000 }, up: { rate: 1_000_000_000 } }]);
const { down, up } = both;
if (down === undefined || up === undefined) throw new Error('no limits');
const made: shaping.ObservedShaping = {
  down: shaping.bucketOf(down),
  ifb: { up: true, bucket: shaping.bucketOf(up) },
  hook: true,
  redirect: 'ifb',
};
const plan = (limits: typeof both, observed: shaping.ObservedShaping) =>
  shaping.planShaping(link, limits, observed).map(shaping.describeShapingStep);

t.test('names', async (t) => {
  t.strictSame(link, { host: 'veth0123456', ifb: 'tsi0123456' });
  t.equal(shaping.hostOfIfb('tsi0123456'), 'veth0123456');
  t.equal(shaping.hostOfIfb('eth0'), 'eth0');
});

t.test('a bucket holds what comes in one piece, and makes nobody wait long', async (t) => {
  t.strictSame(shaping.bucketOf({ rate: 10_000_000, burst: 32_768 }).limit, 32_768);
  t.strictSame(shaping.bucketOf({ rate: 1_000_000_000, burst: 1_250_000 }).limit, 2_500_000);
});

t.test('what is there already is left alone', async (t) => {
  t.strictSame(plan(both, made), []);
  t.strictSame(plan({}, shaping.unshaped), []);
  t.strictSame(plan({}, { ...shaping.unshaped, hook: true }), [], 'others may have filters there');
  const rounded = { ...shaping.bucketOf(down), burst: down.burst - 1 };
  t.strictSame(plan(both, { ...made, down: rounded }), [], 'the kernel rounds');
});

t.test('the filter is made last', async (t) => {
  t.strictSame(plan(both, shaping.unshaped), [
    'limit veth0123456 to 10mbit down (burst 32k)',
    'create tsi0123456 for what comes in by veth0123456',
    'limit veth0123456 to 1gbit up (burst 1250000)',
    'set tsi0123456 up',
    'add clsact to veth0123456',
    'lead what comes in by veth0123456 to tsi0123456',
  ]);
  t.strictSame(plan({ down }, shaping.unshaped), ['limit veth0123456 to 10mbit down (burst 32k)']);
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
  t.strictSame(plan(slower, made), ['limit veth0123456 to 5mbit down (burst 32k)']);
  t.strictSame(plan(both, { ...made, down: { ...shaping.bucketOf(down), burst: 65_536 } }), [
    'limit veth0123456 to 10mbit down (burst 32k)',
  ]);
  t.strictSame(plan(both, { ...made, down: { ...shaping.bucketOf(down), limit: 1 } }), [
    'limit veth0123456 to 10mbit down (burst 32k)',
  ]);
  t.strictSame(plan(both, { ...made, ifb: { up: false, bucket: undefined } }), [
    'limit veth0123456 to 1gbit up (burst 1250000)',
    'set tsi0123456 up',
  ]);
  t.strictSame(plan(both, { ...made, hook: false, redirect: 'none' }), [
    'add clsact to veth0123456',
    'lead what comes in by veth0123456 to tsi0123456',
  ]);
});
