/**
 * The daemon is killed before and after every effect of every call, started again, and the engine
 * goes on: nothing is left over, nothing is lost, and the answers are right.
 */
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { forgetNetwork } from '../../src/driver/orphans/forgotten-networks.js';
import { mapDifferences } from '../../src/driver/repair/concerns/port-map.js';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { usedBackend } from '../fakes/backends.js';
import { Engine } from '../fakes/engine-calls.js';
import { type FakeHost, stateOf as hostStateOf, makeHost } from '../fakes/fake-host.js';
import { Killer } from '../process/killer.js';

/**
 * The container of which the tests make calls has rate limits both ways, one by its network and one by its endpoint, and
 * routes of the host: of its network, to its address, and to a prefix behind it. Inside, it has a route that outlives its
 * interface. The host answers neighbours for it, and options say who reaches it and what it reaches. With the backend in
 * memory its ports are in a map; with the others they have rules, as those of the bystander always have.
 */
const limitedNetwork = (engine: Engine, salt?: string) => ({
  ...engine.network(5, salt),
  options: {
    'com.docker.network.generic': {
      'tsbridge.rate_down': '10mbit',
      'tsbridge.remote_routes': '10.77.0.0/24 via 192.0.2.7',
      'tsbridge.announce': 'addresses',
      ...{ 'tsbridge.attach': 'proxy', 'tsbridge.parent': 'eth0' },
      // Ports on addresses of IPv6 could not be guarded: this host has no rules for it.
      'com.docker.network.bridge.host_binding_ipv4': '192.0.2.1',
      'tsbridge.publish_from': '192.0.2.0/24',
      'tsbridge.no_masquerade_to': '198.51.100.0/24',
      'tsbridge.routes': '10.99.0.0/16 blackhole',
      ...(usedBackend() === 'memory' ? { 'tsbridge.port_rules': 'map' } : {}),
    },
  },
});
const limitedEndpoint = (engine: Engine, salt?: string) => ({
  ...engine.endpoint(5, salt),
  options: {
    'tsbridge.rate_up': '2mbit',
    'tsbridge.burst_up': '64k',
    'tsbridge.host_routes': '10.88.0.0/24',
    'tsbridge.egress_allow': '192.0.2.0/24:443',
    'tsbridge.egress_ip': '192.0.2.9',
  },
});

/** What an engine does with one container, call by call. */
const calls: readonly (readonly [string, (engine: Engine) => Promise<unknown>])[] = [
  ['create network', (e) => e.driver.createNetwork(limitedNetwork(e))],
  ['create endpoint', (e) => e.driver.createEndpoint(limitedEndpoint(e))],
  ['join', (e) => e.driver.join(e.ids(5), '/ns').then(() => e.enters('/ns'))],
  ['program', (e) => e.driver.publishPorts(e.ids(5), e.ports(8000, 8001))],
  ['revoke', (e) => e.driver.revokePorts(e.ids(5))],
  ['program again', (e) => e.driver.publishPorts(e.ids(5), e.ports(8000, 8002))],
  ['leave', (e) => e.driver.leave(e.ids(5))],
  ['delete endpoint', (e) => e.driver.deleteEndpoint(e.ids(5))],
  ['delete network', (e) => e.driver.deleteNetwork(e.ids(5).networkId)],
];
/** The host's state, with the routes inside of the container. */
const stateOf = (host: FakeHost) => ({
  ...hostStateOf(host),
  inside: host.sandboxRoutes.dump('/ns'),
});

/** Orders in which effects that are under way at the same time take place. */
const orders = [0, 1];

/** What the host looks like after the first `count` calls, and with nothing on its way. */
async function reference(count: number) {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  await bystander(engine);
  for (const [, call] of calls.slice(0, count)) await call(engine);
  await engine.world.removals.idle();
  return stateOf(host);
}

/** A container that has nothing to do with it, and must not notice. */
async function bystander(engine: Engine): Promise<void> {
  const { driver } = engine;
  await driver.createNetwork(engine.network(6));
  await driver.createEndpoint(engine.endpoint(6));
  await driver.join(engine.ids(6), '/ns6');
  await driver.publishPorts(engine.ids(6), engine.ports(6000, 6001));
}

/** The host at the moment of the daemon's death in call `index`; false if the call got through. */
async function die(index: number, killer: Killer): Promise<{ host: FakeHost; died: boolean }> {
  const host = makeHost();
  const before = new Engine(host);
  await before.start();
  await bystander(before);
  for (const [, call] of calls.slice(0, index)) await call(before);
  await before.world.removals.idle();
  const engine = new Engine(host);
  await engine.start(killer.interpose);
  killer.arm();
  const call = calls[index]?.[1] ?? (async () => {});
  const work = call(engine).then(() => engine.world.removals.idle());
  const died = await killer.kills(work);
  // The engine takes the interface out of the container, whatever became of the call.
  if (died && calls[index]?.[0] === 'leave') host.sandboxRoutes.down('/ns');
  return { host, died };
}

/** Every place at which a daemon can die in call `index`; `again` makes the same death once more. */
async function forEachDeath(
  index: number,
  orders: readonly number[],
  check: (host: FakeHost, where: string, again: () => Promise<FakeHost>) => Promise<void>,
): Promise<number> {
  let deaths = 0;
  for (const order of orders) {
    for (let effect = 1; ; effect += 1) {
      const killer = new Killer(effect, order);
      const { host, died } = await die(index, killer);
      if (!died) break;
      deaths += 1;
      const again = async () => (await die(index, new Killer(effect, order))).host;
      await check(host, `${calls[index]?.[0]}, ${killer.where}`, again);
    }
  }
  return deaths;
}

async function revive(host: FakeHost): Promise<Engine> {
  const engine = new Engine(host);
  await engine.start();
  await engine.world.removals.idle();
  return engine;
}

/** How many host ports are taken in the driver's mind. */
function allocated({ world }: Engine): number {
  return world.registry.endpoints().flatMap(({ record }) => record.bindings).length;
}

type State = ReturnType<typeof stateOf>;

/** A test that says where something is wrong, in place of thousands that say that nothing is. */
class Findings {
  readonly wrong: { where: string; found: unknown; wanted: unknown }[] = [];
  checks = 0;

  same(found: unknown, wanted: unknown, where: string): void {
    this.checks += 1;
    if (!isDeepStrictEqual(found, wanted)) this.wrong.push({ where, found, wanted });
  }

  report(t: { same(found: unknown, wanted: unknown): void; ok(value: unknown): void }): void {
    t.ok(this.checks > 0);
    t.same(this.wrong, []);
  }
}

const amounts = ({ links, ports, records }: State) => [links.length, ports, records.length];

for (const [index, [name, call]] of calls.entries()) {
  t.test(`${name}: the engine repeats the call`, async (t) => {
    const wanted = await reference(index + 1);
    const nothing = await reference(0);
    const findings = new Findings();
    await forEachDeath(index, orders, async (host, where) => {
      const engine = await revive(host);
      await call(engine);
      await engine.world.removals.idle();
      findings.same(stateOf(host), wanted, where);
      findings.same(allocated(engine), wanted.ports.length, `${where}: ports taken`);
      findings.same(await repairRules(engine.world), [], `${where}: to repair`);
      findings.same(await mapDifferences(engine.world), [], `${where}: to repair in the map`);
      for (const [, next] of calls.slice(index + 1)) await next(engine);
      await engine.world.removals.idle();
      findings.same(stateOf(host), nothing, `${where}: and then all goes`);
    });
    findings.report(t);
  });

  t.test(`${name}: the engine gives up, removes what it knows, and starts anew`, async (t) => {
    const nothing = await reference(0);
    const anew = await reference(4);
    const findings = new Findings();
    await forEachDeath(index, orders, async (host, where) => {
      const engine = await revive(host);
      const { driver } = engine;
      // It knows the network only if it was told of its creation, and forgets it also if it is told
      // that its deletion failed.
      if (index > 0 && name !== 'delete network') {
        await engine.removeAll(5);
        findings.same(stateOf(host), nothing, where);
      }
      // Told of neither creation nor removal, it may have forgotten a network that is made.
      const { networkId } = engine.ids(5);
      const left = engine.world.registry.network(networkId);
      if (left !== undefined) {
        findings.same(left.former, true, where);
        await forgetNetwork(engine.world, networkId, false);
      }
      // Another network, to which its address management gives the same subnet.
      await driver.createNetwork(limitedNetwork(engine, 'anew'));
      await driver.createEndpoint(limitedEndpoint(engine, 'anew'));
      await driver.join(engine.ids(5, 'anew'), '/ns');
      await driver.publishPorts(engine.ids(5, 'anew'), engine.ports(8000, 8001));
      await engine.world.removals.idle();
      findings.same(amounts(stateOf(host)), amounts(anew), where);
      await driver.deleteEndpoint(engine.ids(5, 'anew'));
      await driver.deleteNetwork(engine.ids(5, 'anew').networkId);
      await engine.world.removals.idle();
      findings.same(stateOf(host), nothing, `${where}: and then all goes`);
    });
    findings.report(t);
  });

  t.test(`${name}: the host loses its power`, async (t) => {
    const findings = new Findings();
    await forEachDeath(index, [0], async (host, where) => {
      host.links.links.clear();
      host.firewall.flush();
      host.maps.tables.clear();
      host.hostPorts.held.clear();
      host.sandboxRoutes.sandboxes.clear();
      const engine = await revive(host);
      const networks = engine.world.registry.networks().map(({ spec }) => spec.bridge);
      findings.same(stateOf(host).links, [...networks].sort(), where);
      findings.same(stateOf(host).records.length, networks.length, where);
      findings.same([stateOf(host).ports, allocated(engine)], [[], 0], where);
      const known = (number: number) => engine.world.registry.network(engine.ids(number).networkId);
      findings.same(known(6) === undefined, false, where);
      // The engine heard of its creation, and has not asked for its deletion.
      if (index > 0 && name !== 'delete network') {
        findings.same(known(5) === undefined, false, where);
      }
    });
    findings.report(t);
  });

  t.test(`${name}: the next daemon dies too`, async (t) => {
    const wanted = await reference(index + 1);
    const findings = new Findings();
    await forEachDeath(index, [0], async (_host, where, again) => {
      // Only before each effect: after the one is before the next.
      for (let effect = 1; ; effect += 2) {
        const host = await again();
        const killer = new Killer(effect, 0);
        const second = new Engine(host);
        killer.arm();
        const started = second.start(killer.interpose);
        if (!(await killer.kills(started.then(() => second.world.removals.idle())))) break;
        const engine = await revive(host);
        await call(engine);
        await engine.world.removals.idle();
        findings.same(stateOf(host), wanted, `${where}, then at the start ${killer.where}`);
      }
    });
    findings.report(t);
  });
}
