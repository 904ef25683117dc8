/** What dockerd was started with, beside its settings of networks. */
import t from 'tap';
import { engineSettings, givenPools } from '../../src/codec/engine-settings-file.js';

const pools = (args: readonly string[], file?: string) =>
  engineSettings(args, file).pools.map(
    ({ base, size }) => `${base.address}/${base.prefixLength} by ${size}`,
  );

t.test('live-restore', async (t) => {
  const is = (args: readonly string[], file?: string) => engineSettings(args, file).liveRestore;
  t.equal(is([]), false);
  t.equal(is(['--live-restore']), true);
  t.equal(is(['--live-restore', '--live-restore=false'], '{"live-restore": true}'), false);
  t.equal(is(['--live-restore=0'], '{"live-restore": true}'), false, 'as Go writes booleans');
  t.equal(is(['--live-restore=T']), true);
  t.equal(is([], '{"live-restore": true}'), true);
  t.equal(is([], '\uFEFF{"live-restore": true}'), true, 'with a byte order mark');
  t.equal(is([], '{"live-restore": "yes"}'), false);
  t.equal(is([], 'no JSON'), false);
  t.equal(is([], '7'), false);
});

t.test('pools of addresses', async (t) => {
  t.strictSame(pools([]), [
    ...['172.17.0.0/16 by 16', '172.18.0.0/16 by 16', '172.19.0.0/16 by 16'],
    ...['172.20.0.0/14 by 16', '172.24.0.0/14 by 16', '172.28.0.0/14 by 16'],
    '192.168.0.0/16 by 20',
  ]);
  const args = ['--default-address-pool', 'base=10.1.0.0/16,size=24'];
  t.strictSame(pools([...args, '--default-address-pool=size=64,base=fd00::/48']), [
    ...['10.1.0.0/16 by 24', 'fd00::/48 by 64'],
  ]);
  const entries = [
    { base: '10.2.0.0/16', size: 20 },
    { base: 7 },
    null,
    { base: '10.0.0.0/8', size: 4 },
  ];
  t.strictSame(pools([], JSON.stringify({ 'default-address-pools': entries })), [
    '10.2.0.0/16 by 20',
  ]);
  t.equal(pools(['--default-address-pool'], '{"default-address-pools": 7}').length, 7);
  t.strictSame(givenPools([], '{}'), [], 'none of its own are given');
});
