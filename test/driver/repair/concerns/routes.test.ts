/** Routes of the host: made, found changed, brought back and taken away, on a host in memory. */
import t from 'tap';
import { parseCidr } from '../../../../src/core/address.js';
import { RouteConcern } from '../../../../src/driver/repair/concerns/routes.js';
import { everything } from '../../../../src/driver/repair/signs.js';
import { type FakeHost, makeHost } from '../../../fakes/fake-host.js';
import {
  bridge,
  endpoint,
  id,
  ids,
  network,
  networkId,
  start,
} from '../../../fakes/one-container.js';

const labels = (given: Record<string, string>) => ({ 'com.docker.network.generic': given });
const asked = labels({
  'tsbridge.remote_routes': '10.77.0.0/24 via 192.0.2.7',
  'tsbridge.announce': 'addresses',
});
const behind = { ...endpoint(), options: { 'tsbridge.host_routes': '10.88.0.0/24' } };
const ofNetwork = '10.77.0.0/24 via 192.0.2.7 dev eth0';
const ofEndpoint = [`10.5.0.2/32 dev ${bridge}`, `10.88.0.0/24 via 10.5.0.2 dev ${bridge}`];
const all = [ofEndpoint[0], ofNetwork, ofEndpoint[1]];

async function routed(memory: FakeHost = makeHost()) {
  const { driver, world } = await start(memory);
  await driver.createNetwork(network(5, networkId, asked));
  await driver.createEndpoint(behind);
  await driver.join(ids(), '/ns');
  return { memory, driver, world };
}

t.test('a network has its routes, and an endpoint has them while it is joined', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  await driver.createNetwork(network(5, networkId, asked));
  t.strictSame(memory.routes.dump(), [ofNetwork]);
  await driver.createEndpoint(behind);
  t.strictSame(memory.routes.dump(), [ofNetwork]);
  await driver.join(ids(), '/ns');
  t.strictSame(memory.routes.dump(), all);
  t.strictSame(await new RouteConcern(world).differences(), []);
  await driver.leave(ids());
  await driver.deleteEndpoint(ids());
  t.strictSame(memory.routes.dump(), [ofNetwork]);
  await driver.deleteNetwork(ids().networkId);
  t.strictSame(memory.routes.dump(), []);
});

t.test('what somebody removes comes back, and what a dead daemon left goes', async (t) => {
  const { memory, world } = await routed();
  const concern = new RouteConcern(world);
  memory.routes.lose('10.88.0.0/24');
  memory.routes.lose('10.77.0.0/24');
  await memory.routes.add({
    destination: { family: 4, address: '10.1.0.0', prefixLength: 24 } as never,
  });
  const steps = [
    'add the route to 10.77.0.0/24 via 192.0.2.7',
    `add the route to 10.88.0.0/24 via 10.5.0.2 dev ${bridge}`,
    'remove the route to 10.1.0.0/24 dev eth0',
  ];
  t.ok(await concern.poll.differs());
  t.strictSame(await concern.differences(), steps);
  t.equal(memory.routes.dump().length, 2, 'a comparison changes nothing');
  t.strictSame(await concern.repair('quiet'), steps);
  t.strictSame(memory.routes.dump(), all);
  t.notOk(await concern.poll.differs());
});

t.test('a start brings them back; what fails then is done after it', async (t) => {
  const { memory } = await routed();
  memory.routes.lose('10.77.0.0/24');
  await start(memory);
  t.strictSame(memory.routes.dump(), all);
  memory.routes.lose('10.77.0.0/24');
  memory.routes.lose('10.88.0.0/24');
  memory.faults.plan('routes.add', 'network is unreachable');
  const { world } = await start(memory);
  t.strictSame(memory.routes.dump(), all.slice(0, 1).concat(all.slice(2)), 'the others are there');
  t.strictSame(await new RouteConcern(world).repair('quiet'), [
    'add the route to 10.77.0.0/24 via 192.0.2.7',
  ]);
  memory.routes.lose('10.77.0.0/24');
  memory.faults.plan('routes.add', 'network is unreachable');
  await t.rejects(new RouteConcern(world).repair('quiet'), {
    code: 'route-failed',
    message: 'repairing routes: network is unreachable',
  });
});

t.test(
  'where nobody asks for routes, the kernel is asked once at the start, and when an operator asks',
  async (t) => {
    const memory = makeHost();
    const { driver, world } = await start(memory);
    await driver.createNetwork(network());
    await driver.createEndpoint(endpoint());
    await driver.join(ids(), '/ns');
    const concern = new RouteConcern(world);
    await concern.repair('quiet');
    t.notOk(await concern.poll.differs());
    const calls = () => memory.faults.calls.filter((call) => call === 'routes.list').length;
    t.equal(calls(), 1, 'at the start');
    await memory.routes.add({ destination: parseCidr('10.99.0.0/16') as never });
    const before = calls();
    await concern.repair('quiet');
    t.equal(calls(), before);
    t.strictSame(await concern.differences(), ['remove the route to 10.99.0.0/16 dev eth0']);
    await concern.repair('request');
    t.strictSame(memory.routes.dump(), [], 'nobody asks for it');
    t.ok(everything.links);
  },
);

t.test('a route that cannot be made fails the call, which leaves nothing', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  memory.routes.foreign.add('10.77.0.0/24');
  await t.rejects(driver.createNetwork(network(5, networkId, asked)), {
    code: 'route-exists',
    message: /creating network .*: adding the route to 10.77.0.0\/24 via 192.0.2.7: file exists/,
  });
  t.strictSame(memory.routes.dump(), []);
  t.strictSame(world.registry.networks(), []);
  memory.routes.foreign.clear();
  await driver.createNetwork(network(5, networkId, asked));
  await driver.createEndpoint(behind);
  memory.faults.plan('routes.add', 'no memory');
  await t.rejects(driver.join(ids(), '/ns'), { message: /joining endpoint .*: no memory/ });
  await driver.deleteEndpoint(ids());
  t.strictSame(memory.routes.dump(), [ofNetwork]);
});

t.test('a container joins while somebody has set its bridge down', async (t) => {
  const memory = makeHost();
  const { driver } = await start(memory);
  await driver.createNetwork(network(5, networkId, asked));
  await driver.createEndpoint(behind);
  await memory.links.change(bridge as never, { up: false });
  await driver.join(ids(), '/ns');
  t.strictSame(memory.routes.dump(), all);
  t.equal(memory.links.links.get(bridge as never)?.up, true);
});

t.test('two that ask for one route', async (t) => {
  const { memory, driver, world } = await routed();
  const other = network(6, id('other'), asked);
  await driver.createNetwork(other);
  t.strictSame(memory.routes.dump(), all, 'the same one is shared');
  await driver.deleteNetwork(ids(id('other')).networkId);
  t.strictSame(memory.routes.dump(), all, 'and stays for the one that is left');
  const second = { ...endpoint(3, id('second')), options: behind.options };
  await driver.createEndpoint(second);
  await t.rejects(driver.join(ids(networkId, id('second')), '/ns2'), {
    code: 'route-exists',
    message: /another network or container has the route to 10.88.0.0\/24 via 10.5.0.2 dev/,
  });
  await driver.deleteEndpoint(ids(networkId, id('second')));
  t.strictSame(memory.routes.dump(), all);
  // A route of ours that nobody asks for gives way.
  await driver.deleteEndpoint(ids());
  await memory.routes.add({
    destination: { family: 4, address: '10.88.0.0', prefixLength: 24 } as never,
  });
  await driver.createEndpoint(second);
  await driver.join(ids(networkId, id('second')), '/ns2');
  t.ok(memory.routes.dump().includes(`10.88.0.0/24 via 10.5.0.3 dev ${bridge}`));
  t.strictSame(await new RouteConcern(world).differences(), []);
});

t.test('a route that one names by its next hop and another one with the bridge', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  const hop = labels({ 'tsbridge.remote_routes': '10.88.0.0/24 via 10.5.0.2' });
  const other = id('other');
  const route = [`10.88.0.0/24 via 10.5.0.2 dev ${bridge}`];
  await driver.createNetwork(network());
  await driver.createEndpoint(behind);
  await driver.join(ids(), '/ns');
  await driver.createNetwork(network(6, other, hop));
  t.strictSame(memory.routes.dump(), route);
  await driver.deleteEndpoint(ids());
  t.strictSame(memory.routes.dump(), route, 'the network still asks for it');
  await driver.createEndpoint(behind);
  await driver.join(ids(), '/ns');
  await driver.deleteNetwork(ids(other).networkId);
  t.strictSame(memory.routes.dump(), route, 'the container still asks for it');
  await driver.createNetwork(network(6, other, hop));
  memory.routes.lose('10.88.0.0/24');
  t.strictSame(await new RouteConcern(world).repair('quiet'), [`add the route to ${route}`]);
  t.strictSame(memory.routes.dump(), route);
  await driver.deleteEndpoint(ids());
  await driver.deleteNetwork(ids(other).networkId);
  t.strictSame(memory.routes.dump(), []);
});

t.test('with a record that cannot be read nothing is removed', async (t) => {
  const { memory } = await routed();
  memory.store.records.set('network x', { kind: 'network', id: 'x', text: '{' });
  await memory.routes.add({
    destination: { family: 4, address: '10.1.0.0', prefixLength: 24 } as never,
  });
  await start(memory);
  t.ok(memory.routes.dump().includes('10.1.0.0/24 dev eth0'));
});

t.test('removing fails, and is tried again', async (t) => {
  const { memory, driver } = await routed();
  memory.faults.plan('routes.remove', 'busy');
  await t.rejects(driver.deleteEndpoint(ids()), { message: /deleting endpoint .*busy/ });
  await driver.deleteEndpoint(ids());
  memory.faults.plan('routes.remove', 'busy');
  await t.rejects(driver.deleteNetwork(ids().networkId), { message: /busy/ });
});
