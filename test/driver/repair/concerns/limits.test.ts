/** Limits of a container: made, found changed, brought back and taken away, on a host in memory. */
import t from 'tap';
import { LimitConcern, repairLimits } from '../../../../src/driver/repair/concerns/limits.js';
import { everything } from '../../../../src/driver/repair/signs.js';
import { type FakeHost, makeHost } from '../../../fakes/fake-host.js';
import { endpoint, endpointId, id, ids, network, start } from '../../../fakes/one-container.js';

const host = `veth${endpointId.slice(0, 7)}`;
const ifb = `tsi${endpointId.slice(0, 7)}`;
const limits = { 'tsbridge.rate_down': '10mbit', 'tsbridge.rate_up': '20mbit' };
const right = [
  `${ifb} 20000000 25000 true`,
  `${host} 10000000 12500 true`,
  `${host} leads to ${ifb}`,
];
const again = [
  `lead what comes in by ${host} no more to ${ifb}`,
  `create ${ifb} for what comes in by ${host}`,
  `limit ${host} to 20mbit up (burst 25000)`,
  `set ${ifb} up`,
  `lead what comes in by ${host} to ${ifb}`,
];

async function limited(memory: FakeHost = makeHost()) {
  const { driver, world } = await start(memory);
  await driver.createNetwork(network());
  await driver.createEndpoint({ ...endpoint(), options: limits });
  await driver.join(ids(), '/ns');
  return { memory, driver, world };
}

t.test(
  'a container has its limits before its engine hears of it, and takes them along',
  async (t) => {
    const { memory, driver, world } = await limited();
    t.strictSame(memory.shaping.dump(), right);
    t.strictSame(await repairLimits(world, 'dry-run', world.registry.endpoints()), []);
    await driver.leave(ids());
    await driver.deleteEndpoint(ids());
    await world.removals.idle();
    t.strictSame([...memory.links.links.keys()], [world.registry.networks()[0]?.spec.bridge]);
  },
);

t.test('what somebody deletes comes back, filter last', async (t) => {
  const { memory, world } = await limited();
  const concern = new LimitConcern(world);
  memory.links.links.delete(ifb);
  t.strictSame(await concern.differences(), again);
  t.notOk(memory.links.links.has(ifb), 'a comparison changes nothing');
  const signs = (...links: string[]) => ({ families: new Set<never>(), links: new Set(links) });
  t.strictSame(await concern.repair('quiet', signs('eth0', 'veth1')), [], 'of other links');
  t.strictSame(await concern.repair('quiet', signs(ifb, host)), again, 'by the name of either');
  t.strictSame(memory.shaping.dump(), right);
  t.strictSame(await concern.repair('request', everything), []);
});

const queues = ['down', 'up'].map(
  (direction) => `queue fairly what is limited on ${host} ${direction} (fq_codel)`,
);
const fair = [
  `${ifb} 20000000 25000 true fair within 5000 us`,
  `${host} 10000000 12500 true fair within 5000 us`,
  `${host} leads to ${ifb}`,
];
/** Steps for queues that were asked of the kernel, by name. */
const asked = ({ faults }: FakeHost) => faults.calls.filter((call) => call.endsWith('-queue'));

t.test('a kernel without fair queues is asked for one once', async (t) => {
  const { memory, driver, world } = await limited();
  t.equal(world.shaping.waitingIn, 'fifo');
  t.strictSame(asked(memory), ['shaping.set-down-queue', 'shaping.set-up-queue'], 'of one round');
  await driver.createEndpoint({ ...endpoint(3, id('c')), options: limits });
  t.strictSame(await new LimitConcern(world).repair('request', everything), []);
  t.equal(asked(memory).length, 2);
});

t.test('a queue comes back that somebody has deleted', async (t) => {
  const memory = makeHost();
  memory.shaping.hasFairQueues = true;
  const { world } = await limited(memory);
  t.strictSame(memory.shaping.dump(), fair);
  const concern = new LimitConcern(world);
  t.strictSame(await concern.differences(), []);
  memory.shaping.deleteQueues();
  t.strictSame(await concern.differences(), queues);
  t.strictSame(await concern.repair('request', everything), queues);
  t.strictSame(memory.shaping.dump(), fair);
});

t.test('limits of an earlier version get their queues at the start', async (t) => {
  const { memory } = await limited();
  memory.shaping.hasFairQueues = true;
  memory.shaping.waitingIn = 'unknown';
  const { world } = memory.boot();
  t.strictSame(
    await repairLimits(world, 'dry-run', world.registry.endpoints()),
    [],
    'no dry run says that one is missing while it is not known whether the kernel has any',
  );
  await start(memory);
  t.strictSame(memory.shaping.dump(), fair);
});

t.test('others may limit what has no limits', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  await driver.createNetwork(network());
  await driver.createEndpoint(endpoint());
  const before = memory.faults.calls.filter((call) => call.startsWith('shaping'));
  t.strictSame(before, [], 'nothing is asked or done');
  t.strictSame(await new LimitConcern(world).repair('request', everything), []);
});

t.test('a start puts right what another has left half done', async (t) => {
  for (const broken of ['create-ifb', 'set-up', 'ifb-up', 'add-redirect']) {
    const { memory } = await limited();
    memory.links.links.delete(ifb);
    const { world } = memory.boot();
    memory.faults.plan(`shaping.${broken}`, 'broken');
    await start(memory);
    t.not(memory.shaping.dump().length, 3, `${broken} fails`);
    t.ok(
      memory.logged.some(({ fields }) => /repairing limits: .*broken/.test(String(fields.error))),
      'and is told',
    );
    const next = await start(memory);
    t.strictSame(memory.shaping.dump(), right, broken);
    t.strictSame(await repairLimits(next.world, 'dry-run', world.registry.endpoints()), []);
  }
});

t.test('a container whose limits cannot be made does not start, and leaves nothing', async (t) => {
  for (const broken of ['set-down', 'create-ifb', 'set-up', 'ifb-up', 'add-hook', 'add-redirect']) {
    const memory = makeHost();
    const { driver, world } = await start(memory);
    await driver.createNetwork(network());
    const links = [...memory.links.links.keys()];
    memory.faults.plan(`shaping.${broken}`, 'no sch_tbf');
    await t.rejects(driver.createEndpoint({ ...endpoint(), options: limits }), {
      message: /creating endpoint .*: no sch_tbf/,
    });
    await world.removals.idle();
    t.strictSame([...memory.links.links.keys()], links, broken);
    t.strictSame(world.registry.endpoints(), []);
  }
});

t.test('an endpoint that goes meanwhile is left alone', async (t) => {
  const { memory, driver, world } = await limited();
  memory.links.links.delete(ifb);
  const observe = memory.shaping.observe.bind(memory.shaping);
  memory.shaping.observe = async (links) => {
    memory.shaping.observe = observe;
    const observed = await observe(links);
    await driver.deleteEndpoint(ids());
    await world.removals.idle();
    return observed;
  };
  t.strictSame(await new LimitConcern(world).repair('request', everything), []);
  t.notOk(memory.links.links.has(ifb));
});
