/** Stale rules about networks and ports of tsbridge in Docker's chains: a repair removes them. */
import t from 'tap';
import { repairRules } from '../../../src/driver/repair/concerns/rules.js';
import type { FakeHost } from '../../fakes/fake-host.js';
import { bridge } from '../../fakes/one-container.js';
import { start } from '../../fakes/published-port.js';

/** As a dump from another day has it: of our container's former address, of docker0, of a user. */
const oldRules = {
  'nat DOCKER': `! -i ${bridge} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.5.0.77:80`,
  'filter DOCKER': `-d 10.5.0.77/32 ! -i ${bridge} -o ${bridge} -p tcp -m tcp --dport 80 -j ACCEPT`,
};
const notOurs = {
  'nat DOCKER': '! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.9:80',
  'filter DOCKER-USER': `-i ${bridge} -j DROP`,
  'filter FORWARD': `-i ${bridge} -d 10.5.0.9/32 -j DROP`,
};

async function restoreOld(host: FakeHost, rules: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, text] of Object.entries(rules)) {
    const [table, chain] = key.split(' ');
    await host.firewall.restore(4, `*${table}\n-A ${chain} ${text}\nCOMMIT\n`);
  }
}

t.test('a stale rule about us in a chain of Docker is drift, and goes', async (t) => {
  const { host, world } = await start();
  await host.firewall.restore(4, '*nat\n-A PREROUTING -j X\nCOMMIT\n').catch(() => {});
  host.links.links.set('docker0', { name: 'docker0', index: 99 } as never);
  await restoreOld(host, notOurs);
  const before = host.firewall.dump();
  await restoreOld(host, oldRules);
  await restoreOld(host, { 'nat DOCKER': oldRules['nat DOCKER'] });
  const planned = await repairRules(world, 'dry-run');
  t.strictSame(planned, [
    `delete nat DOCKER ${oldRules['nat DOCKER']}`,
    `delete nat DOCKER ${oldRules['nat DOCKER']}`,
    `delete filter DOCKER ${oldRules['filter DOCKER']}`,
  ]);
  t.strictSame(await repairRules(world, 'running'), planned);
  t.strictSame(host.firewall.dump(), before, 'and nothing else');
  t.strictSame(await repairRules(world, 'running'), []);
});

t.test('a rule of a network that is gone leads a port of ours astray', async (t) => {
  const { host, world } = await start();
  const old =
    '! -i br-old -p udp -m udp --dport 8080 -j DNAT --to-destination 172.30.0.9:80'.replaceAll(
      'udp',
      'tcp',
    );
  await restoreOld(host, { 'nat DOCKER': old });
  host.links.links.set('br-old', { name: 'br-old', index: 98 } as never);
  t.strictSame(await repairRules(world, 'running'), [], "somebody's network");
  host.links.links.delete('br-old');
  t.strictSame(await repairRules(world, 'running'), [`delete nat DOCKER ${old}`]);
});

t.test('UDP flows that a stale rule has led astray are forgotten', async (t) => {
  const { host, world } = await start();
  const udp = `! -i ${bridge} -p udp -m udp --dport 5353 -j DNAT --to-destination 10.5.0.77:53`;
  await restoreOld(host, { 'nat DOCKER': udp });
  host.faults.calls.length = 0;
  await repairRules(world, 'running');
  t.equal(host.faults.calls.filter((call) => call === 'conntrack').length, 1);
});

t.test('while a record cannot be read nothing is taken for stale', async (t) => {
  const { host, world } = await start();
  await restoreOld(host, oldRules);
  const path = '/var/lib/tsbridge/networks/x';
  world.registry.unreadable.add({ kind: 'network', id: 'x', path, reason: 'torn' });
  t.strictSame(await repairRules(world, 'running'), []);
});
