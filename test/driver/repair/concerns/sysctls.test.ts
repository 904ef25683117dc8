/** Settings of the kernel that others change come back, on a host in memory. */
import t from 'tap';
import { SettingConcern } from '../../../../src/driver/repair/concerns/sysctls.js';
import { SelfRepair } from '../../../../src/driver/repair/self-repair.js';
import { FakeClock } from '../../../fakes/fake-clock.js';
import { bridge } from '../../../fakes/one-container.js';
import { start } from '../../../fakes/published-port.js';

t.test('settings are looked at, and put right', async (t) => {
  const { host, world } = await start({}, { userlandProxy: false });
  const clock = new FakeClock();
  const localnet = `net/ipv4/conf/${bridge}/route_localnet`;
  const { values } = host.sysctls;
  t.equal(values.get(localnet), '1');
  const watch = new SelfRepair([new SettingConcern(world)], world, [], clock);
  watch.start();
  host.faults.calls.length = 0;
  await clock.pass(2_000);
  t.notOk(host.faults.calls.includes('sysctls.write'), 'nothing is written that is right');
  const policies = host.firewall.policy('FORWARD');
  await host.firewall.restore(4, '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n');
  values.set(localnet, '0');
  values.set('net/ipv4/ip_forward', '0');
  await clock.pass(700);
  t.equal(values.get(localnet), '1');
  t.equal(values.get('net/ipv4/ip_forward'), '1');
  t.equal(policies, 'DROP');
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT', 'what it was while we ran');
  t.match(
    host.logged.filter(({ level }) => level === 'warn'),
    [
      {
        message: 'repaired settings that somebody else had changed',
        fields: { count: 2, author: 'unknown' },
      },
    ],
  );
  t.match(watch.status().settings, { repairs: { unknown: 1 } });
  watch.stop();
  values.set(localnet, '0');
  await clock.pass(5_000);
  t.equal(values.get(localnet), '0', 'not after stop');
  t.equal(clock.pending, 0);
});

t.test('settings that cannot be read or written', async (t) => {
  const { host, world } = await start();
  const clock = new FakeClock();
  const watch = new SelfRepair([new SettingConcern(world)], world, [], clock);
  const read = host.sysctls.read.bind(host.sysctls);
  host.sysctls.read = async () => {
    throw new Error('EIO');
  };
  watch.start();
  await clock.pass(600);
  t.match(host.logged.at(-1), { level: 'warn', fields: { error: 'EIO' } });
  host.sysctls.read = read;
  host.sysctls.values.set('net/ipv4/ip_forward', '0');
  host.faults.plan('sysctls.write', 'EROFS');
  await clock.pass(700);
  t.match(host.logged.at(-1), { level: 'error', fields: { error: /EROFS/ } });
  t.equal(watch.status().settings?.steppedBack, true);
  await clock.pass(2_000);
  t.equal(host.sysctls.values.get('net/ipv4/ip_forward'), '1', 'it is tried again');
  watch.stop();
});
