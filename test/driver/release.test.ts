/** Ports that are released: on record before their rules go, so that a start never publishes them again. */
import t from 'tap';
import { Engine } from '../fakes/engine-calls.js';
import { type FakeHost, makeHost, stateOf } from '../fakes/fake-host.js';

async function published() {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  await engine.driver.createNetwork(engine.network(5));
  await engine.driver.createEndpoint(engine.endpoint(5));
  await engine.driver.join(engine.ids(5), '/ns');
  const bare = stateOf(host);
  await engine.driver.publishPorts(engine.ids(5), engine.ports(8000, 8001));
  return { host, engine, bare };
}

async function restart(host: FakeHost): Promise<Engine> {
  const engine = new Engine(host);
  await engine.start();
  await engine.world.removals.idle();
  return engine;
}

t.test('on a full disk no port is released, and the call is refused', async (t) => {
  const { host, engine, bare } = await published();
  const before = stateOf(host);
  host.faults.plan('store.write', 'ENOSPC');
  await t.rejects(engine.driver.revokePorts(engine.ids(5)), { message: /ENOSPC/ });
  t.strictSame(stateOf(host), before, 'nothing was released');
  await restart(host);
  t.strictSame(stateOf(host), before, 'nor is it after a start');
  await engine.driver.revokePorts(engine.ids(5));
  t.strictSame(stateOf(host), bare);
  await restart(host);
  t.strictSame(stateOf(host), bare, 'and a start does not publish again');
});

t.test('rules that could not be taken away go at the next start', async (t) => {
  const { host, engine, bare } = await published();
  host.firewall.failures.push('no', 'no');
  await t.rejects(engine.driver.revokePorts(engine.ids(5)), { code: 'firewall-failed' });
  const again = await restart(host);
  t.strictSame(stateOf(host), bare);
  t.equal(again.world.registry.endpoints()[0]?.record.released, undefined);
  await again.driver.publishPorts(again.ids(5), again.ports(8000));
  t.ok(host.hostPorts.held.size > 0, 'the port is free');
});
