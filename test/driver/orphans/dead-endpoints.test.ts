/** Endpoints whose engine has died: collected when their container is gone for sure, never before. */
import t from 'tap';
import { DeadWatch, removeUnlessMoved } from '../../../src/driver/orphans/dead-endpoints.js';
import { forgetNetwork } from '../../../src/driver/orphans/forgotten-networks.js';
import { engineProcess } from '../../fakes/called-driver.js';
import { Engine } from '../../fakes/engine-calls.js';
import { FakeClock } from '../../fakes/fake-clock.js';
import { type FakeHost, makeHost, stateOf } from '../../fakes/fake-host.js';

const minute = 60_000;

/** Network 5 and nothing else; then a container with a port, as far as `joined` says. */
async function setUp({ joined = true } = {}) {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  const { driver } = engine;
  await driver.createNetwork(engine.network(5));
  const without = stateOf(host);
  await driver.createEndpoint(engine.endpoint(5));
  if (joined) {
    await driver.join(engine.ids(5), '/ns');
    await driver.publishPorts(engine.ids(5), engine.ports(8000, 8001));
  }
  const state = engine.world.registry.endpoint(engine.ids(5).endpointId);
  if (state === undefined) throw new Error('no endpoint');
  return { host, engine, state, without, veth: state.spec.veth };
}

/** The engine moves the container's end. */
function move({ host, veth }: { host: FakeHost; veth: { container: string } }): void {
  host.links.links.delete(veth.container);
}

t.test('a container that is gone, and an engine that does not say so', async (t) => {
  const all = await setUp();
  const { host, engine, without, veth } = all;
  move(all);
  const clock = new FakeClock();
  const watch = new DeadWatch(engine.world, clock);
  host.sandboxes.alive.add('/ns');
  const before = stateOf(host);
  watch.changed(veth.host);
  await clock.pass(minute);
  t.strictSame(stateOf(host), before, 'the link is there');
  t.equal(clock.pending, 0, 'nobody looks in vain');

  host.links.links.delete(veth.host);
  const unlinked = stateOf(host);
  watch.changed(veth.host);
  watch.changed('eth0');
  await clock.pass(5 * minute);
  t.strictSame(stateOf(host), unlinked, 'somebody has deleted the link; the container lives');

  host.sandboxes.alive.clear();
  await clock.pass(minute);
  await engine.world.removals.idle();
  t.strictSame(stateOf(host), without, 'now it is gone: ports, rules, record');
  t.equal(clock.pending, 0);
  await engine.driver.leave(engine.ids(5));
  await engine.driver.deleteEndpoint(engine.ids(5));
  t.pass('an engine that says so after all is answered');
});

t.test('an endpoint is kept while a slow engine still works on it', async (t) => {
  const { host, engine, veth } = await setUp();
  const clock = new FakeClock();
  const watch = new DeadWatch(engine.world, clock);
  host.links.links.delete(veth.host);
  host.links.links.delete(veth.container);
  watch.changed();
  await clock.pass(4_000);
  t.ok(engine.world.registry.endpoint(engine.ids(5).endpointId), 'may say so itself');
  watch.stop();
  await clock.pass(minute);
  t.ok(engine.world.registry.endpoint(engine.ids(5).endpointId), 'nothing after the stop');
});

t.test('what could not be removed is tried again', async (t) => {
  const { host, engine, veth, without } = await setUp();
  const clock = new FakeClock();
  const watch = new DeadWatch(engine.world, clock);
  for (const name of [veth.host, veth.container]) host.links.links.delete(name);
  host.firewall.failures.push('no', 'no', 'no', 'no');
  watch.changed(veth.host);
  await clock.pass(6_000);
  t.match(host.logged.at(-1), { level: 'error', message: 'removing a dead endpoint failed' });
  host.firewall.failures.length = 0;
  await clock.pass(minute);
  await engine.world.removals.idle();
  t.strictSame(stateOf(host), without);
});

t.test('an engine that dies between creation and join', async (t) => {
  const { host, engine, state, without } = await setUp({ joined: false });
  const clock = new FakeClock();
  removeUnlessMoved(engine.world, state, clock);
  await clock.pass(minute - 1);
  t.ok(engine.world.registry.endpoint(state.spec.id));
  await clock.pass(1);
  await engine.world.removals.idle();
  t.strictSame(stateOf(host), without);
});

t.test('an engine that lives may take any time to move an endpoint', async (t) => {
  for (const joined of [false, true]) {
    const { host, engine, state, without } = await setUp({ joined });
    host.processes.alive.add(engineProcess);
    const clock = new FakeClock();
    removeUnlessMoved(engine.world, state, clock);
    const before = stateOf(host);
    await clock.pass(60 * minute);
    t.strictSame(stateOf(host), before, 'an hour, without a sandbox as yet');
    const again = new Engine(host);
    await again.start();
    t.strictSame(stateOf(host), before, 'nor does a start of the daemon end it');
    host.processes.alive.clear();
    await clock.pass(minute);
    await engine.world.removals.idle();
    t.strictSame(stateOf(host), without, 'its engine has died');
  }
});

t.test('an engine that is not known is taken to live until the next boot', async (t) => {
  const { host, engine } = await setUp({ joined: false });
  const ids = engine.ids(5);
  await engine.driver.join(ids, '/ns', 'unknown');
  const [state] = engine.world.registry.endpoints();
  if (state === undefined) throw new Error('no endpoint');
  const clock = new FakeClock();
  removeUnlessMoved(engine.world, state, clock);
  await clock.pass(5 * minute);
  t.ok(host.links.links.has(state.spec.veth.host));
});

t.test('after a boot no endpoint is left, whether its sandbox can be seen or not', async (t) => {
  const { host, without, veth } = await setUp();
  host.sandboxes.alive.add('/ns');
  for (const name of [veth.host, veth.container]) host.links.links.delete(name);
  host.processes.ofEarlierBoot.add(engineProcess);
  const again = new Engine(host);
  await again.start();
  await again.world.removals.idle();
  t.strictSame(stateOf(host), without);
});

t.test('an endpoint that the engine was never told of goes at a start', async (t) => {
  const { host, without } = await setUp({ joined: false });
  host.processes.alive.add(engineProcess);
  const [stored] = [...host.store.records.values()].filter(({ kind }) => kind === 'endpoint');
  if (stored === undefined) throw new Error('no record');
  t.match(stored.text, '"phase":"created"', 'on record before the answer');
  stored.text = stored.text.replace('"created"', '"creating"');
  const again = new Engine(host);
  await again.start();
  await again.world.removals.idle();
  t.strictSame(stateOf(host), without);
});

t.test('a look at links that fails is repeated', async (t) => {
  const { host, engine, veth, without } = await setUp();
  const clock = new FakeClock();
  const watch = new DeadWatch(engine.world, clock);
  for (const name of [veth.host, veth.container]) host.links.links.delete(name);
  const { find } = host.links;
  let refusals = 0;
  host.links.find = async () => {
    refusals += 1;
    throw new Error('ENOBUFS');
  };
  watch.changed(veth.host);
  await clock.pass(6_000);
  t.ok(refusals > 0);
  host.links.find = find;
  await clock.pass(minute);
  await engine.world.removals.idle();
  t.strictSame(stateOf(host), without);
});

t.test('an address given out again ends only a holder whose engine has died', async (t) => {
  const { host, engine, state, veth } = await setUp();
  host.links.links.delete(veth.container);
  host.sandboxes.alive.add('/ns');
  const heir = { ...engine.endpoint(5, 'heir'), networkId: engine.ids(5).networkId };
  const heirIds = {
    networkId: engine.ids(5).networkId,
    endpointId: engine.ids(5, 'heir').endpointId,
  };
  const before = stateOf(host);
  await engine.driver.createEndpoint(heir);
  t.equal(engine.world.registry.endpoint(state.spec.id), state, 'its container lives');
  t.ok(host.links.links.has(veth.host));
  t.strictSame(stateOf(host).ports, before.ports);
  t.ok(host.logged.some(({ message }) => /gave an address of this endpoint to/.test(message)));
  await engine.driver.deleteEndpoint(heirIds);
  await engine.world.removals.idle();
  t.strictSame(stateOf(host), before, 'and keeps its rules when the other one goes');
  t.same(
    host.conntrack.removed.filter((flow) => flow === '10.5.0.2'),
    [],
    'and its connections',
  );

  host.sandboxes.alive.clear();
  host.links.links.delete(veth.host);
  await engine.driver.createEndpoint(heir);
  await engine.driver.publishPorts(heirIds, engine.ports(8000, 8001));
  t.equal(engine.world.registry.endpoint(state.spec.id), undefined, 'its container is gone');
});

t.test('an engine that dies between join and the move leaves an endpoint that goes', async (t) => {
  const { host, engine, state, without } = await setUp();
  const clock = new FakeClock();
  host.sandboxes.alive.add('/ns');
  removeUnlessMoved(engine.world, state, clock);
  const before = stateOf(host);
  await clock.pass(3 * minute);
  t.strictSame(stateOf(host), before, 'while there is a sandbox it may still come');
  host.sandboxes.alive.clear();
  await clock.pass(minute);
  await engine.world.removals.idle();
  t.strictSame(stateOf(host), without);
});

t.test('joined, and the daemon dies before that is on record', async (t) => {
  const all = await setUp({ joined: false });
  move(all);
  const clock = new FakeClock();
  removeUnlessMoved(all.engine.world, all.state, clock);
  await clock.pass(2 * minute);
  t.equal(all.state.record.phase, 'ready', 'the moved end tells');
  const again = new Engine(all.host);
  const [stored] = [...all.host.store.records.values()].filter(({ kind }) => kind === 'endpoint');
  if (stored === undefined) throw new Error('no record');
  stored.text = stored.text.replace('"ready"', '"created"');
  await again.start();
  const state = again.world.registry.endpoint(all.state.spec.id);
  t.equal(state?.record.phase, 'ready', 'also at a start');
});

t.test('a start finds what died while the daemon did not run', async (t) => {
  for (const alive of [true, false]) {
    const { host, engine, veth, without } = await setUp();
    for (const name of [veth.host, veth.container]) host.links.links.delete(name);
    if (alive) host.sandboxes.alive.add('/ns');
    const before = stateOf(host);
    const again = new Engine(host);
    await again.start();
    await again.world.removals.idle();
    t.strictSame(stateOf(host), alive ? before : without, `sandbox ${alive ? 'there' : 'gone'}`);
    t.equal(engine.world.registry.endpoints().length, 1);
  }
});

t.test('an engine dies before it has recorded a network', async (t) => {
  const { host, engine, veth } = await setUp();
  const { driver } = engine;
  const same = engine.network(5, 'again');
  await t.rejects(driver.createNetwork(same), { code: 'network-conflict' }, 'nobody has died');
  driver.engineStarted();
  host.sandboxes.alive.add('/ns');
  await t.rejects(driver.createNetwork(same), { code: 'network-conflict' }, 'its container lives');
  host.sandboxes.alive.clear();
  for (const name of [veth.host, veth.container]) host.links.links.delete(name);
  await t.rejects(driver.createNetwork(same), { code: 'network-conflict' }, 'no proof');
  await forgetNetwork(engine.world, engine.ids(5).networkId, false);
  await driver.createNetwork(same);
  await engine.world.removals.idle();
  t.strictSame(
    engine.world.registry.networks().map(({ spec }) => spec.id),
    [same.networkId],
    "the dead container makes room by itself, its network at an operator's word",
  );
  t.equal(host.hostPorts.held.size, 0);
});
