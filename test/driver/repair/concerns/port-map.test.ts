/** Ports in the map: published, found changed, brought back and taken away, on a host in memory. */
import t from 'tap';
import { recover } from '../../../../src/driver/recover.js';
import { PortMapConcern } from '../../../../src/driver/repair/concerns/port-map.js';
import { everything } from '../../../../src/driver/repair/signs.js';
import { type FakeHost, makeHost, stateOf } from '../../../fakes/fake-host.js';
import { endpoint, id, ids, network, publish, start } from '../../../fakes/one-container.js';

const generic = (options: Record<string, string>) => ({ 'com.docker.network.generic': options });
const map = generic({ 'tsbridge.port_rules': 'map' });
const ports = publish([6, 80, 8080], [17, 53, 5353]);
const bridges = 'IPv4 bridges br-ca978112ca1b';
const tcp = 'IPv4 ports 0.0.0.0 . tcp . 8080 : 10.5.0.2 . 80';
const udp = 'IPv4 ports 0.0.0.0 . udp . 5353 : 10.5.0.2 . 53';

async function published(memory: FakeHost = makeHost()) {
  const { driver, world } = await start(memory);
  await driver.createNetwork(network(5, undefined, map));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  await driver.publishPorts(ids(), ports);
  return { memory, driver, world, concern: new PortMapConcern(world) };
}

t.test('a table with the first network, elements with ports, nothing at the end', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  const before = stateOf(memory);
  await driver.createNetwork(network(5, undefined, map));
  t.strictSame(memory.maps.dump(), ['IPv4', bridges]);
  await driver.createNetwork(network(6, id('c')));
  t.equal(memory.maps.dump().length, 3, 'containers of another network are spared, too');
  await driver.deleteNetwork(ids(id('c')).networkId);
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  const rules = memory.firewall.dump();
  await driver.publishPorts(ids(), ports);
  t.strictSame(memory.maps.dump(), ['IPv4', bridges, tcp, udp]);
  t.strictSame(memory.firewall.dump(), rules, 'no rule of a port');
  await driver.revokePorts(ids());
  t.strictSame(memory.maps.dump(), ['IPv4', bridges]);
  await driver.publishPorts(ids(), ports);
  await driver.leave(ids());
  await driver.deleteEndpoint(ids());
  await driver.deleteNetwork(ids().networkId);
  await world.removals.idle();
  t.strictSame(stateOf(memory).maps, before.maps);
  t.strictSame(stateOf(memory).ports, []);
});

t.test('what others change comes back, and the flows of UDP are forgotten', async (t) => {
  const { memory, concern } = await published();
  const all = memory.maps.dump();
  t.strictSame(await concern.differences(), []);
  memory.maps.tables.get(4)?.delete('ports 0.0.0.0 . udp . 5353');
  const missing = ['add to table ip tsbridge: ports 0.0.0.0 . udp . 5353 : 10.5.0.2 . 53'];
  t.strictSame(await concern.differences(), missing);
  const signs = (...families: (4 | 6)[]) => ({
    families: new Set(families),
    links: 'any' as const,
  });
  t.strictSame(await concern.repair('quiet', signs(6)), [], 'of the other family');
  memory.conntrack.removed.length = 0;
  t.strictSame(await concern.repair('quiet', signs(4)), missing);
  t.match(memory.conntrack.removed, ['udp4 5353 both ways']);
  memory.maps.tables.delete(4);
  t.strictSame(await concern.repair('busy', everything), ['make table ip tsbridge (3 elements)']);
  memory.maps.damaged.add(4);
  t.strictSame(await concern.repair('busy', everything), ['make table ip tsbridge (3 elements)']);
  const stranger = { set: 'ports', key: ['0.0.0.0', 17, 99], data: ['10.5.0.2', 99] } as const;
  memory.maps.tables.get(4)?.set('ports 0.0.0.0 . udp . 99', stranger);
  memory.conntrack.removed.length = 0;
  await concern.repair('request', everything);
  t.strictSame(memory.conntrack.removed, ['udp4 99'], 'of what led to a container');
  t.strictSame(memory.maps.dump(), all);
});

t.test('ports with guards come back after their guards', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  const labels = { 'tsbridge.port_rules': 'map', 'tsbridge.publish_from': 'loopback' };
  await driver.createNetwork(network(5, undefined, generic(labels)));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  const on = '0.0.0.0';
  await driver.publishPorts(ids(), publish([6, 80, 8080, 8080, on], [17, 53, 5353, 5353, on]));
  const concern = new PortMapConcern(world);
  const rules = memory.firewall.dump();
  const all = memory.maps.dump();
  memory.firewall.flushRuleset();
  t.strictSame(await concern.repair('busy', everything), [], 'nothing to do for the map');
  memory.maps.tables.delete(4);
  t.equal(await concern.repair('busy', everything), 'too-early', 'chains have to be made');
  t.strictSame(memory.maps.dump(), []);
  const done = await concern.repair('quiet', everything);
  t.match(done, [/^create-chain/]);
  t.equal(done.at(-1), 'make table ip tsbridge (3 elements)');
  t.strictSame(memory.firewall.dump(), rules);
  t.strictSame(memory.maps.dump(), all);
});

t.test('a call that finds the table gone leaves others’ guarded ports to the repair', async (t) => {
  const memory = makeHost();
  const { driver, world } = await start(memory);
  const labels = { 'tsbridge.port_rules': 'map', 'tsbridge.publish_from': 'loopback' };
  await driver.createNetwork(network(5, undefined, generic(labels)));
  await driver.createEndpoint(endpoint());
  await driver.createEndpoint(endpoint(3, id('d')));
  await driver.join(ids(), '/ns');
  await driver.join(ids(undefined, id('d')), '/ns2');
  const on = '0.0.0.0';
  await driver.publishPorts(ids(), publish([6, 80, 8080, 8080, on]));
  let refusals = 0;
  world.rules.onRefusal(() => {
    refusals += 1;
  });
  const { maps, firewall } = memory;
  maps.tables.delete(4);
  firewall.flushRuleset();
  const own = 'IPv4 ports 0.0.0.0 . tcp . 9090 : 10.5.0.3 . 80';
  await driver.publishPorts(ids(undefined, id('d')), publish([6, 80, 9090, 9090, on]));
  const guards = () => firewall.rules('mangle', 'TSBRIDGE-PUBLISH-DROP').join();
  t.notMatch(guards(), '10.5.0.2', 'the other container’s guard is not back');
  t.strictSame(maps.dump(), ['IPv4', bridges, own], 'so its port is not, either');
  t.ok(refusals > 0, 'a repair is asked for');
  maps.tables.delete(4);
  await driver.createNetwork(network(6, id('c'), map));
  t.notMatch(maps.dump().join(), 'ports', 'a call without ports writes none of them');
  maps.tables.get(4)?.set('bridges x', { set: 'bridges', key: ['x'] });
  const { repair } = world.mappedPorts;
  world.mappedPorts.repair = async (family, scope) => {
    const done = await repair.call(world.mappedPorts, family, scope);
    // Whoever looked found nothing to do; then the table goes.
    if (scope === 'nothing') maps.tables.delete(4);
    return scope === 'nothing' ? { lines: [] } : done;
  };
  const concern = new PortMapConcern(world);
  await concern.repair('quiet', everything);
  t.notMatch(maps.dump().join(), 'ports', 'nor does a repair that has not looked at the guards');
  world.mappedPorts.repair = repair;
  await concern.repair('quiet', everything);
  t.match(guards(), '10.5.0.2');
  t.match(maps.dump().join(), /8080.*9090/);
});

t.test('bridges of the engine’s own driver are spared as chain DOCKER spares them', async (t) => {
  const { memory, concern } = await published();
  memory.firewall.tables(4).get('nat')?.get('DOCKER')?.rules.push('-i docker0 -j RETURN');
  t.strictSame(await concern.repair('quiet', everything), [
    'add to table ip tsbridge: bridges docker0',
  ]);
  t.ok(memory.maps.dump().includes('IPv4 bridges docker0'));
});

t.test('a call that finds the table changed puts all of it right', async (t) => {
  const { memory, driver } = await published();
  const all = memory.maps.dump();
  memory.maps.tables.delete(4);
  await driver.revokePorts(ids());
  t.strictSame(memory.maps.dump(), ['IPv4', bridges]);
  memory.maps.tables.delete(4);
  await driver.publishPorts(ids(), ports);
  t.strictSame(memory.maps.dump(), all);
});

t.test('a refusal of the kernel undoes the network', async (t) => {
  const memory = makeHost();
  const { driver } = await start(memory);
  const before = stateOf(memory);
  memory.faults.plan('maps.make', 'the kernel refuses');
  await t.rejects(driver.createNetwork(network(5, undefined, map)), /the kernel refuses/);
  t.strictSame(stateOf(memory).maps, before.maps);
  t.strictSame(stateOf(memory).records, []);
});

t.test('on a host with iptables-legacy', async (t) => {
  const memory = makeHost();
  const { driver } = await start(memory);
  memory.maps.legacy = true;
  await t.rejects(driver.createNetwork(network(5, undefined, map)), {
    code: 'options-invalid',
    message: /tsbridge\.port_rules=map: this host uses iptables-legacy: leave the option out/,
  });
  t.strictSame(memory.maps.dump(), []);
});

t.test(
  'a start takes away the table of networks that are gone, and makes what is missing',
  async (t) => {
    const { memory } = await published();
    const all = memory.maps.dump();
    memory.maps.tables.delete(4);
    await start(memory);
    t.strictSame(memory.maps.dump(), all);
    memory.store.records.clear();
    await start(memory);
    t.strictSame(memory.maps.dump(), []);
  },
);

t.test('with settings that write no rules the table goes, and comes back with them', async (t) => {
  const { memory } = await published();
  const all = memory.maps.dump();
  const restart = async (settings: object) => {
    const { world } = memory.boot(settings);
    await recover(world);
    return new PortMapConcern(world);
  };
  memory.maps.tables.set(6, new Map());
  await restart({ ip6tables: false });
  t.strictSame(memory.maps.dump(), all, 'that of IPv6 alone');
  memory.maps.damaged.add(4);
  const concern = await restart({ iptables: false });
  t.strictSame(memory.maps.dump(), all, 'one that is not as we make it may be another program’s');
  t.match(await concern.differences(), [
    /^no rules are written, .*: nft delete table ip tsbridge$/,
  ]);
  t.ok(memory.logged.some(({ message }) => /nft delete table ip tsbridge$/.test(message)));
  memory.maps.damaged.clear();
  t.strictSame(await concern.differences(), ['remove table ip tsbridge']);
  await restart({ iptables: false });
  t.strictSame(memory.maps.dump(), []);
  await restart({});
  t.strictSame(memory.maps.dump(), all);
});

t.test('a kernel that cannot be asked for a table that nobody wants', async (t) => {
  const memory = makeHost();
  const { world } = await start(memory);
  memory.maps.read = async () => {
    throw new Error('no nf_tables');
  };
  t.strictSame(await new PortMapConcern(world).differences(), []);
  const { driver } = await start(memory);
  await t.rejects(driver.createNetwork(network(5, undefined, map)), /no nf_tables/);
});
