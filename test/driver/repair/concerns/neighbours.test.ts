/** Answers for containers' IPv6 addresses on the uplink, on a host in memory. */
import t from 'tap';
import { parseCidr } from '../../../../src/core/address.js';
import { NeighbourConcern } from '../../../../src/driver/repair/concerns/neighbours.js';
import { type FakeHost, makeHost } from '../../../fakes/fake-host.js';
import { endpoint, ids, network, networkId, start } from '../../../fakes/one-container.js';

const asked = {
  ...network(5, networkId, {
    'com.docker.network.enable_ipv6': true,
    'com.docker.network.generic': { 'tsbridge.ndp_proxy': 'uplink' },
  }),
  ipv6Data: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }],
};
const dual = { ...endpoint(), addressIpv6: 'fd00:5::2/64' };
const entry = 'fd00:5::2 dev eth0';

async function joined(memory: FakeHost = makeHost(), before: readonly string[] = []) {
  memory.sysctls.values.set('net/ipv6/conf/eth0/proxy_ndp', '0');
  memory.sysctls.values.set('net/ipv6/neigh/eth0/proxy_delay', '80');
  const { driver, world } = await start(memory);
  await driver.createNetwork(asked);
  await driver.createEndpoint(dual);
  t.strictSame(memory.neighbours.dump(), before);
  await driver.join(ids(), '/ns');
  return { memory, driver, world, concern: new NeighbourConcern(world) };
}

t.test('a container is answered for while it is joined', async (t) => {
  const { memory, driver, concern } = await joined();
  t.strictSame(memory.neighbours.dump(), [entry]);
  t.strictSame(memory.neighbours.advertised, ['eth0: fd00:5::2 is at its own']);
  t.equal(memory.sysctls.values.get('net/ipv6/conf/eth0/proxy_ndp'), '1');
  t.equal(memory.sysctls.values.get('net/ipv6/neigh/eth0/proxy_delay'), '0');
  t.notOk(await concern.poll.differs());
  await driver.leave(ids());
  await driver.deleteEndpoint(ids());
  t.strictSame(memory.neighbours.dump(), []);
});

t.test('an entry of another program is used, and stays', async (t) => {
  const memory = makeHost();
  const theirs = { address: 'fd00:5::2' as never, device: 'eth0', isOurs: false };
  memory.neighbours.entries.set(entry, theirs);
  const { driver, concern } = await joined(memory, [entry]);
  t.strictSame(await concern.differences(), []);
  t.equal(memory.sysctls.values.get('net/ipv6/conf/eth0/proxy_ndp'), '1');
  await driver.leave(ids());
  await driver.deleteEndpoint(ids());
  t.strictSame(memory.neighbours.entries.get(entry), theirs);
});

t.test(
  'where the kernel keeps no protocol numbers, entries that a container asks for go with it',
  async (t) => {
    const { memory, driver, concern } = await joined();
    for (const address of ['fd00:5::2', 'fd00::9']) {
      const each = { address: address as never, device: 'eth0', isOurs: undefined };
      memory.neighbours.entries.set(`${address} dev eth0`, each);
    }
    t.strictSame(await concern.differences(), []);
    await driver.leave(ids());
    await driver.deleteEndpoint(ids());
    t.strictSame(memory.neighbours.dump(), ['fd00::9 dev eth0']);
  },
);

t.test('what others take away comes back, and what nobody asks for goes', async (t) => {
  const { memory, concern } = await joined();
  memory.neighbours.entries.clear();
  memory.sysctls.values.set('net/ipv6/conf/eth0/proxy_ndp', '0');
  await memory.neighbours.addProxy({ address: 'fd00::9' as never, device: 'eth0' });
  const steps = [
    'answer for fd00:5::2 on eth0',
    'answer for fd00::9 on eth0 no more',
    'set net/ipv6/conf/eth0/proxy_ndp to 1',
  ];
  t.ok(await concern.poll.differs());
  t.strictSame(await concern.differences(), steps);
  t.strictSame(memory.neighbours.dump(), ['fd00::9 dev eth0'], 'a comparison changes nothing');
  t.strictSame(await concern.repair('quiet'), steps.slice(0, 2));
  t.strictSame(memory.neighbours.dump(), [entry]);
  memory.neighbours.defaultRoute = 'eth1';
  memory.neighbours.devices.add('eth1');
  memory.sysctls.values.set('net/ipv6/conf/eth1/proxy_ndp', '0');
  memory.sysctls.values.set('net/ipv6/neigh/eth1/proxy_delay', '80');
  await concern.repair('quiet');
  t.strictSame(memory.neighbours.dump(), ['fd00:5::2 dev eth1'], 'it follows the default route');
});

t.test(
  'a start: an interface that is not there yet, and records that cannot be read',
  async (t) => {
    const { memory } = await joined();
    memory.neighbours.entries.clear();
    memory.neighbours.devices.clear();
    const { world } = await start(memory);
    const concern = new NeighbourConcern(world);
    t.equal(await concern.repair('start'), 'too-early');
    await t.rejects(concern.repair('quiet'), {
      code: 'route-failed',
      message: 'repairing neighbours: there is no interface eth0',
    });
    memory.neighbours.devices.add('eth0');
    await memory.neighbours.addProxy({ address: 'fd00::9' as never, device: 'eth0' });
    memory.store.records.set('network x', { kind: 'network', id: 'x', text: '{' });
    await start(memory);
    t.strictSame(memory.neighbours.dump(), ['fd00::9 dev eth0', entry].sort());
  },
);

t.test('what fails fails the call; where nobody asks, the kernel is asked once', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  await driver.createNetwork(asked);
  await driver.createEndpoint(dual);
  await t.rejects(driver.join(ids(), '/ns'), {
    message:
      /joining endpoint .*there is no \/proc\/sys\/net\/ipv6\/conf\/eth0\/proxy_ndp; is IPv6/,
  });
  t.strictSame(memory.neighbours.dump(), [], 'a call that failed has changed nothing');
  await driver.deleteEndpoint(ids());
  t.strictSame(memory.neighbours.dump(), []);
  const concern = new NeighbourConcern(world);
  await concern.repair('quiet');
  await concern.repair('request');
  const lists = memory.faults.calls.filter((call) => call === 'neighbours.proxies');
  t.equal(
    lists.length,
    6,
    'at the start, twice by the join, by the deletion, after it, and for a person',
  );
});

t.test(
  'addresses of a LAN without a bridge on it: the host answers for both families',
  async (t) => {
    const memory = makeHost();
    for (const path of ['conf/eth0/proxy_ndp', 'neigh/eth0/proxy_delay']) {
      memory.sysctls.values.set(`net/ipv6/${path}`, '7');
    }
    memory.sysctls.values.set('net/ipv4/neigh/eth0/proxy_delay', '80');
    const { driver, world } = await start(memory);
    const attach = { 'tsbridge.attach': 'proxy', 'tsbridge.parent': 'eth0' };
    const proxied = {
      ...asked,
      options: { ...asked.options, 'com.docker.network.generic': attach },
    };
    memory.neighbours.addresses = [parseCidr('10.5.0.77/16') as never];
    await t.rejects(driver.createNetwork(proxied), {
      code: 'options-invalid',
      message: /eth0: its own address 10.5.0.77\/16 is in the network's subnet 10.5.0.0\/24/,
    });
    memory.neighbours.addresses = [parseCidr('10.5.9.77/16') as never];
    await driver.createNetwork(proxied);
    await driver.createEndpoint(dual);
    await driver.join(ids(), '/ns');
    const both = ['10.5.0.2 dev eth0', entry];
    t.strictSame(memory.neighbours.dump(), both);
    t.strictSame(memory.neighbours.advertised, [
      'eth0: 10.5.0.2 is at its own',
      'eth0: fd00:5::2 is at its own',
    ]);
    const settings = [...memory.sysctls.values].filter(([path]) => path.includes('/eth0/'));
    t.strictSame(Object.fromEntries(settings), {
      'net/ipv6/conf/eth0/proxy_ndp': '1',
      'net/ipv6/neigh/eth0/proxy_delay': '0',
      'net/ipv4/neigh/eth0/proxy_delay': '0',
    });
    memory.neighbours.entries.clear();
    const concern = new NeighbourConcern(world);
    t.strictSame(await concern.repair('quiet'), [
      'answer for 10.5.0.2 on eth0',
      'answer for fd00:5::2 on eth0',
    ]);
    t.strictSame(memory.neighbours.dump(), both);
    await driver.deleteEndpoint(ids());
    t.strictSame(memory.neighbours.dump(), []);
  },
);
