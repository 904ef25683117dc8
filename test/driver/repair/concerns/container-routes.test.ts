/** Routes inside of containers that their engine cannot add, on a host in memory. */
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { ContainerRouteConcern } from '../../../../src/driver/repair/concerns/container-routes.js';
import { everything } from '../../../../src/driver/repair/signs.js';
import { makeHost } from '../../../fakes/fake-host.js';
import { endpoint, id, ids, network, networkId, start } from '../../../fakes/one-container.js';

const labels = {
  'com.docker.network.generic': {
    'tsbridge.routes': '10.9.0.0/24 via 10.5.0.9 metric 50, 10.0.0.0/8 blackhole, 10.8.0.0/24 dev',
    'tsbridge.gateways': '10.5.0.254, 10.5.0.253@70',
  },
};
const all = [
  '10.9.0.0/24 via 10.5.0.9 metric 50',
  'blackhole 10.0.0.0/8',
  'default via 10.5.0.253 metric 70',
];

async function joined() {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  await driver.createNetwork(network(5, networkId, labels));
  await driver.createEndpoint(endpoint());
  const answer = await driver.join(ids(), '/ns');
  return { memory, driver, world, answer, concern: new ContainerRouteConcern(world) };
}
const settled = async (shown: () => string[], count: number) => {
  for (let turn = 0; turn < 50 && shown().length < count; turn += 1) await setTimeout(1);
  return shown();
};

t.test(
  'the engine is told of its own ones, the rest comes when it has the interface up',
  async (t) => {
    const { memory, answer, concern } = await joined();
    t.match(answer, { gateway: '10.5.0.254', withoutGateway: undefined });
    t.equal(answer.routes?.length, 1);
    await setTimeout(5);
    t.strictSame(memory.sandboxRoutes.dump('/ns'), []);
    memory.sandboxRoutes.up('/ns');
    t.strictSame(await settled(() => memory.sandboxRoutes.dump('/ns'), 3), all);
    t.strictSame(await concern.differences(), []);
    t.notOk(await concern.poll.differs());
  },
);

t.test('what is lost comes back, on a sign of its link, on request and by the poll', async (t) => {
  const { memory, world, concern } = await joined();
  memory.sandboxRoutes.up('/ns');
  await settled(() => memory.sandboxRoutes.dump('/ns'), 3);
  const [state] = world.registry.endpoints();
  const host = state?.spec.veth.host ?? '';
  const none = { families: new Set<4>(), links: new Set<string>() };
  for (const [occasion, signs] of [
    ['quiet', { ...none, links: new Set([host, 'veth-other']) }],
    ['quiet', none],
    ['start', everything],
    ['request', none],
  ] as const) {
    memory.sandboxRoutes.sandboxes.get('/ns')?.clear();
    t.ok(await concern.poll.differs());
    t.equal((await concern.repair(occasion, signs)).length, 3);
    t.strictSame(memory.sandboxRoutes.dump('/ns'), all);
  }
  t.strictSame(await concern.repair('quiet', { ...none, links: new Set(['eth0']) }), []);
  memory.sandboxRoutes.sandboxes.get('/ns')?.clear();
  memory.faults.plan('sandboxRoutes.apply', 'no memory');
  await t.rejects(concern.repair('request', everything), {
    code: 'route-failed',
    message: 'repairing routes inside of containers: no memory',
  });
});

t.test('a container that leaves the network and goes on keeps none of them', async (t) => {
  const { memory, driver } = await joined();
  memory.sandboxRoutes.up('/ns');
  await settled(() => memory.sandboxRoutes.dump('/ns'), 3);
  await driver.createNetwork(network(6, id('other'), labelsOf('10.0.0.0/8 blackhole')));
  const second = { ...endpoint(2, id('second')), networkId: id('other'), address: '10.6.0.2/24' };
  await driver.createEndpoint(second);
  await driver.join(ids(id('other'), id('second')), '/ns');
  await driver.leave(ids());
  t.ok(memory.sandboxRoutes.dump('/ns').includes('blackhole 10.0.0.0/8'), 'the other asks for it');
  memory.faults.plan('sandboxRoutes.removeRefusals', 'no memory');
  await driver.leave(ids(id('other'), id('second')));
  t.ok(memory.logged.some(({ message }) => message.startsWith('removing routes inside')));
  t.ok(memory.sandboxRoutes.dump('/ns').includes('blackhole 10.0.0.0/8'));
  await driver.leave(ids(id('other'), id('second')));
  t.notOk(memory.sandboxRoutes.dump('/ns').includes('blackhole 10.0.0.0/8'));
});

t.test(
  'after a daemon that died before it answered Leave, the routes go with the endpoint',
  async (t) => {
    const { memory } = await joined();
    memory.sandboxRoutes.up('/ns');
    await settled(() => memory.sandboxRoutes.dump('/ns'), 3);
    // The engine takes the interface out of the container all the same, and does not repeat Leave.
    memory.sandboxRoutes.down('/ns');
    const { driver, world } = await start(memory);
    t.strictSame(memory.sandboxRoutes.dump('/ns'), ['blackhole 10.0.0.0/8']);
    await driver.deleteEndpoint(ids());
    await world.removals.idle();
    t.strictSame(memory.sandboxRoutes.dump('/ns'), []);
  },
);

const labelsOf = (routes: string) => ({
  'com.docker.network.generic': { 'tsbridge.routes': routes },
});

t.test('an interface that does not come up is told of', async (t) => {
  const { memory } = await joined();
  const told = () => memory.logged.filter(({ message }) => /did not come up/.test(message));
  for (let turn = 0; turn < 200 && told().length === 0; turn += 1) await setTimeout(1);
  t.match(told()[0]?.message, /has no routes 10.9.0.0\/24 via 10.5.0.9 metric 50, blackhole/);
});

t.test('a daemon that may not enter containers refuses what it could not add', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  memory.sandboxRoutes.forbidden = 'the daemon may not enter containers: give it CAP_SYS_ADMIN';
  await t.rejects(driver.createNetwork(network(5, networkId, labels)), {
    code: 'options-invalid',
    message:
      /tsbridge.metric and tsbridge.gateways with metrics are added by the daemon.*CAP_SYS_ADMIN/,
  });
  t.strictSame(world.registry.networks(), []);
  await driver.createNetwork(network(5, networkId, labelsOf('10.9.0.0/24 via 10.5.0.9')));
  const asked = { ...endpoint(), options: { 'tsbridge.metric': '9' } };
  await t.rejects(driver.createEndpoint(asked), { code: 'options-invalid' });
  await driver.createEndpoint(endpoint());
});
