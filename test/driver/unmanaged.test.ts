/** Networks on a bridge that is not the driver's: it gets ports, and is left as it is. */
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import type { GenerationName } from '../../src/core/generations/generation.js';
import { vethNames } from '../../src/core/names.js';
import { recover } from '../../src/driver/recover.js';
import { LinkConcern } from '../../src/driver/repair/concerns/links.js';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { everything } from '../../src/driver/repair/signs.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { Engine } from '../fakes/engine-calls.js';
import { type FakeHost, makeHost, stateOf } from '../fakes/fake-host.js';
import { endpoint, id, ids, network, networkId, publish } from '../fakes/one-container.js';
import { Killer } from '../process/killer.js';

const lan = {
  ...{ index: 3, name: 'br-lan', kind: 'bridge', up: false, mtu: 9000 },
  ...{ master: undefined, hairpin: undefined, addresses: [] },
};
const generic = 'com.docker.network.generic';
const labels = { 'com.docker.network.bridge.name': 'br-lan', 'tsbridge.bridge': 'unmanaged' };
const onLan = { [generic]: labels };
const { host: veth } = vethNames(ids().endpointId);

async function start(host: FakeHost = makeHost(), generation?: GenerationName) {
  const { world } = host.boot({}, generation);
  await recover(world);
  return { host, world, driver: new CalledDriver(world, Promise.resolve()) };
}

t.test('containers are ports of it, and nothing else of it changes', async (t) => {
  for (const generation of ['docker17', 'docker20', 'docker28', 'docker29'] as const) {
    const { host, world, driver } = await start(makeHost(), generation);
    await driver.createNetwork(network(7, id('app')));
    const alone = host.firewall.dump();
    host.links.links.set('br-lan', lan);
    const sysctls = new Map(host.sysctls.values);
    const before = stateOf(host);
    await driver.createNetwork(network(5, networkId, onLan));
    await driver.createEndpoint(endpoint());
    t.match(await driver.join(ids(), '/ns'), { gateway: '10.5.0.1' }, 'a router of the LAN');
    await driver.publishPorts(ids(), publish([6, 80, 8080]));
    t.strictSame(stateOf(host).ports, before.ports, 'no port of the host');
    t.match(host.links.links.get(veth), { master: 3, mtu: 9000, up: true });
    t.strictSame(host.links.links.get('br-lan'), lan);
    t.strictSame(host.sysctls.values, sysctls);
    const about = Object.values(host.firewall.dump()).flat();
    t.strictSame(
      about.filter((rule) => /br-lan|10\.5\.0\./.test(rule)),
      ['-i br-lan -o br-lan -j ACCEPT'],
      generation,
    );
    t.strictSame(await repairRules(world, 'dry-run'), []);
    t.strictSame(await new LinkConcern(world).differences(), []);
    await t.rejects(
      driver.createNetwork(
        network(5, networkId, { [generic]: { ...labels, 'tsbridge.firewall': 'none' } }),
      ),
      { code: 'network-exists' },
    );
    await driver.deleteEndpoint(ids());
    await driver.deleteNetwork(ids().networkId);
    await world.removals.idle();
    t.strictSame(stateOf(host), before, 'as it was');
    t.strictSame(host.firewall.dump(), alone);
    t.strictSame(host.links.links.get('br-lan'), lan);
  }
});

t.test('neighbours on the LAN are told of a container that joins', async (t) => {
  const dual = { ...endpoint(), addressIpv6: 'fd00:5::2/64' };
  const ipv6 = { 'com.docker.network.enable_ipv6': true };
  const ipv6Data = [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }];
  const told = async (more: Record<string, string>, host: FakeHost = makeHost()) => {
    const { driver } = await start(host);
    host.links.links.set('br-lan', lan);
    const options = { ...ipv6, [generic]: { ...labels, ...more } };
    await driver.createNetwork({ ...network(5, networkId, options), ipv6Data });
    await driver.createEndpoint(dual);
    t.strictSame(host.neighbours.advertised, [], 'not before Join');
    await driver.join(ids(), '/ns');
    return host.neighbours.advertised;
  };
  const mac = '02:42:0a:05:00:02';
  t.strictSame(await told({}), [`br-lan: 10.5.0.2 is at ${mac}`, `br-lan: fd00:5::2 is at ${mac}`]);
  t.strictSame(await told({ 'com.docker.network.advertise_addr_nmsgs': '0' }), []);
  const host = makeHost();
  host.faults.plan('neighbours.advertise', 'no such socket');
  t.strictSame(await told({}, host), [], 'a failure does not fail Join');
  await setImmediate();
  t.match(host.logged.at(-1), { level: 'error', message: /^telling neighbours of a container/ });
  const { host: other, driver } = await start();
  await driver.createNetwork(network(5, networkId));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  t.strictSame(other.neighbours.advertised, [], 'on a bridge of ours, as Docker does');
});

t.test('a bridge that is not there is told, not made', async (t) => {
  const { host, driver } = await start();
  const before = stateOf(host);
  await t.rejects(driver.createNetwork(network(5, networkId, onLan)), {
    code: 'options-invalid',
    message: /name=br-lan: there is no such bridge, .*ip link add name br-lan type bridge/,
  });
  t.strictSame(stateOf(host), before);
  host.links.links.set('br-lan', lan);
  await driver.createNetwork(network(5, networkId, onLan));
  host.links.links.delete('br-lan');
  await t.rejects(driver.createEndpoint(endpoint()), {
    code: 'options-invalid',
    message: /creating endpoint .*there is no such bridge/,
  });
  t.strictSame(
    [...host.links.links.keys()].filter((name) => name.startsWith('veth')),
    [],
  );
});

t.test('its ports come back with a bridge that comes back', async (t) => {
  const { host, world, driver } = await start();
  host.links.links.set('br-lan', lan);
  await driver.createNetwork(network(5, networkId, onLan));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  host.links.links.delete('br-lan');
  const concern = new LinkConcern(world);
  const changed = { ...everything, links: new Set(['br-lan']) };
  t.strictSame(await concern.repair('request', changed), []);
  t.strictSame(await concern.repair('start', everything), []);
  t.equal(host.links.links.has('br-lan'), false, 'none is made');
  const told = host.logged.filter(({ message }) => / \(br-lan\) is missing: /.test(message));
  t.strictSame(
    told.map(({ level }) => level),
    ['warn', 'warn'],
    'at each of the two repairs',
  );
  t.strictSame(await concern.differences(), []);
  host.links.links.set('br-lan', { ...lan, index: 4 });
  t.strictSame(await concern.repair('request', changed), [`set ${veth} {"master":"br-lan"}`]);
  t.match(host.links.links.get(veth), { master: 4 });
});

t.test('without addresses of IPAM no gateway is asked for', async (t) => {
  const { host, driver } = await start();
  host.links.links.set('br-lan', lan);
  const none = { ...network(5, networkId, onLan), ipv4Data: [{ pool: '0.0.0.0/0' }] };
  await driver.createNetwork(none);
  await driver.createEndpoint({ ...endpoint(), address: '' });
  t.match(await driver.join(ids(), '/ns'), { gateway: undefined, withoutGateway: true });
});

t.test('whenever the daemon dies, the bridge is as it was and nothing is left', async (t) => {
  const calls: readonly ((engine: Engine) => Promise<unknown>)[] = [
    (e) => e.driver.createNetwork({ ...e.network(5), options: onLan }),
    (e) => e.driver.createEndpoint(e.endpoint(5)),
    (e) => e.driver.join(e.ids(5), '/ns'),
    (e) => e.driver.leave(e.ids(5)),
    (e) => e.driver.deleteEndpoint(e.ids(5)),
    (e) => e.driver.deleteNetwork(e.ids(5).networkId),
  ];
  const onHost = async (count: number) => {
    const host = makeHost();
    host.links.links.set('br-lan', lan);
    const engine = new Engine(host);
    await engine.start();
    for (const call of calls.slice(0, count)) await call(engine);
    await engine.world.removals.idle();
    return host;
  };
  const wrong: unknown[] = [];
  let deaths = 0;
  for (const [index, call] of calls.entries()) {
    const done = stateOf(await onHost(index + 1));
    const nothing = stateOf(await onHost(calls.length));
    for (let effect = 1; ; effect += 1) {
      const host = await onHost(index);
      const killer = new Killer(effect, 0);
      const engine = new Engine(host);
      await engine.start(killer.interpose);
      killer.arm();
      if (!(await killer.kills(call(engine).then(() => engine.world.removals.idle())))) break;
      deaths += 1;
      const next = new Engine(host);
      await next.start();
      await next.world.removals.idle();
      await call(next);
      await next.world.removals.idle();
      const where = `call ${index}, ${killer.where}`;
      if (!isDeepStrictEqual(stateOf(host), done)) wrong.push({ where, found: stateOf(host) });
      for (const later of calls.slice(index + 1)) await later(next);
      await next.world.removals.idle();
      if (!isDeepStrictEqual(stateOf(host), nothing)) wrong.push({ where, left: stateOf(host) });
      if (!isDeepStrictEqual(host.links.links.get('br-lan'), lan)) wrong.push({ where, lan });
    }
  }
  t.ok(deaths > 20, `${deaths} deaths`);
  t.strictSame(wrong, []);
});
