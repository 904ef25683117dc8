/** Who may reach published ports, and what containers may open connections to: from the calls to the rules. */
import t from 'tap';
import type { GenerationName } from '../../src/core/generations/generation.js';
import type { EngineName } from '../../src/core/names.js';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { type FakeHost, makeHost, stateOf } from '../fakes/fake-host.js';
import {
  bridge,
  endpoint,
  id,
  ids,
  network,
  networkId,
  publish,
  start,
} from '../fakes/one-container.js';
import { OperatedHost } from '../fakes/operator.js';

const generic = 'com.docker.network.generic';
const asked = {
  'com.docker.network.bridge.name': 'br-x',
  'tsbridge.publish_from': '192.0.2.0/24',
  'tsbridge.egress_allow': '192.0.2.0/24:443/tcp',
  'tsbridge.no_masquerade_to': '172.16.0.0/12',
  'tsbridge.egress_ip': '192.0.2.9',
};
const own = (host: FakeHost) =>
  Object.entries(host.firewall.dump()).flatMap(([chain, rules]) =>
    chain.includes('TSBRIDGE-') ? rules.map((rule) => `${chain} ${rule}`) : [],
  );

for (const generation of ['docker17', 'docker20', 'docker28', 'docker29'] as const) {
  t.test(`${generation}: its chains come and go with what needs them`, async (t) => {
    const host = makeHost();
    const { driver, world } = await start(host, generation);
    await driver.createNetwork(network(6, 'c'.repeat(64)));
    const before = stateOf(host);
    const alone = host.firewall.dump();
    await driver.createNetwork(network(5, networkId, { [generic]: asked }));
    await driver.createEndpoint(endpoint());
    await driver.join(ids(), '/ns');
    await driver.publishPorts(ids(), publish([6, 80, 8080, 8080, '0.0.0.0']));
    t.match(own(host).join('\n'), /TSBRIDGE-PUBLISH-DROP -d 10\.5\.0\.2\/32 .*--dport 80 -j DROP/);
    t.match(own(host).join('\n'), /TSBRIDGE-PROXY-DROP ! -i br-x .*--dport 8080 -j DROP/);
    t.match(own(host).join('\n'), /TSBRIDGE-SOURCE -s 10\.5\.0\.2\/32 .*--to-source 192\.0\.2\.9/);
    t.strictSame(await repairRules(world, 'dry-run'), []);
    const others = Object.entries(host.firewall.dump()).flatMap(([chain, rules]) =>
      chain.includes('TSBRIDGE-') ? [] : rules.filter((rule) => !rule.includes('TSBRIDGE-')),
    );
    const plain = makeHost();
    const without = await start(plain, generation);
    await without.driver.createNetwork(network(6, 'c'.repeat(64)));
    const labels = { 'com.docker.network.bridge.name': 'br-x' };
    await without.driver.createNetwork(network(5, networkId, { [generic]: labels }));
    await without.driver.createEndpoint(endpoint());
    await without.driver.join(ids(), '/ns');
    await without.driver.publishPorts(ids(), publish([6, 80, 8080, 8080, '0.0.0.0']));
    t.strictSame(
      others.sort(),
      Object.values(plain.firewall.dump()).flat().sort(),
      'Docker’s rules are the same with them',
    );
    t.strictSame(own(plain), [], 'and nothing of them is there without');
    await driver.deleteEndpoint(ids());
    await driver.deleteNetwork(ids().networkId);
    await world.removals.idle();
    t.strictSame(stateOf(host), before);
    t.strictSame(host.firewall.dump(), alone, 'as it was');
  });
}

t.test('a network that comes later leaves the jumps to its chains on top', async (t) => {
  const host = makeHost();
  const { driver, world } = await start(host, 'docker28');
  await driver.createNetwork(network(5, networkId, { [generic]: asked }));
  await driver.createNetwork(network(6, 'c'.repeat(64)));
  t.match(host.firewall.dump()['nat POSTROUTING']?.[0], /-j TSBRIDGE-SOURCE/);
  t.strictSame(await repairRules(world, 'dry-run'), []);
});

t.test('guards are there before the sockets, and until these are gone', async (t) => {
  const host = makeHost();
  const { driver } = await start(host, 'docker28');
  await driver.createNetwork(network(5, networkId, { [generic]: asked }));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  const guarded: boolean[] = [];
  const look = () =>
    guarded.push(own(host).some((rule) => /PROXY-DROP .*--dport 80\d\d/.test(rule)));
  const { open, close } = host.hostPorts;
  host.hostPorts.open = (...args) => {
    look();
    return open.apply(host.hostPorts, args);
  };
  host.hostPorts.close = (...args) => {
    look();
    return close.apply(host.hostPorts, args);
  };
  await driver.publishPorts(ids(), publish([6, 80, 8080, 8080, '0.0.0.0']));
  await driver.revokePorts(ids());
  t.ok(guarded.length >= 2);
  t.notOk(guarded.includes(false));
  t.notMatch(own(host).join('\n'), /--dport 80/);
});

t.test('ports that others hold are not guarded', async (t) => {
  const host = makeHost();
  const { driver } = await start(host, 'docker28');
  await driver.createNetwork(network(5, networkId, { [generic]: asked }));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  const before = own(host);
  host.hostPorts.foreign.set('0.0.0.0:8080/tcp', 'EADDRINUSE');
  await driver.publishPorts(ids(), publish([6, 80, 8080, 8081, '0.0.0.0']));
  t.match(own(host).join('\n'), /--dport 8081/);
  t.notMatch(own(host).join('\n'), /--dport 8080/);
  await driver.revokePorts(ids());
  t.strictSame(own(host), before);
  await t.rejects(driver.publishPorts(ids(), publish([6, 80, 8080, 8080, '0.0.0.0'])));
  t.strictSame(own(host), before);
});

t.test('the guard of a port stays while another port of it is tried again', async (t) => {
  const host = makeHost();
  const { driver, world } = await start(host, 'docker28');
  await driver.createNetwork(network(5, networkId, { [generic]: asked }));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  const before = own(host);
  host.hostPorts.foreign.set('0.0.0.0:9000/tcp', 'EADDRINUSE');
  const guarded: boolean[] = [];
  const { guardPorts } = world.rules;
  world.rules.guardPorts = async (...args) => {
    const guard = '-o br-x -p tcp -m tcp --dport 80 -j DROP';
    guarded.push(own(host).some((rule) => rule.includes(guard)));
    return guardPorts.apply(world.rules, args);
  };
  const twice = publish([6, 80, 8080, 8080, '0.0.0.0'], [6, 80, 9000, 9005, '0.0.0.0']);
  await driver.publishPorts(ids(), twice);
  t.strictSame(guarded, [false, true]);
  t.notMatch(own(host).join('\n'), /--dport 9000/);
  t.strictSame(await repairRules(world, 'dry-run'), []);
  await driver.revokePorts(ids());
  t.strictSame(own(host), before);
});

t.test('ports that go from network to network of a container have their guards', async (t) => {
  const host = makeHost();
  const { driver } = await start(host, 'docker28');
  const other = id('c');
  await driver.createNetwork(network(5, networkId, { [generic]: asked }));
  await driver.createNetwork(network(6, other));
  await driver.createEndpoint(endpoint());
  await driver.createEndpoint({
    ...endpoint(2, id('d')),
    ...{ networkId: other, address: '10.6.0.2/24' },
    options: { 'tsbridge.publish_from': 'loopback' },
  });
  const [first, second] = [ids(), ids(other, id('d'))];
  for (const each of [first, second]) await driver.join(each, '/ns');
  const port = publish([6, 80, 8080, 8080, '0.0.0.0']);
  await driver.publishPorts(first, port);
  const guarded: boolean[] = [];
  const look = () => guarded.push(/PROXY-DROP .*--dport 8080 /.test(own(host).join('\n')));
  const { open, close } = host.hostPorts;
  host.hostPorts.open = (...args) => {
    look();
    return open.apply(host.hostPorts, args);
  };
  host.hostPorts.close = async (...args) => {
    // So that what runs beside it is done first.
    await new Promise(setImmediate);
    look();
    return close.apply(host.hostPorts, args);
  };
  await driver.publishPorts(second, port);
  t.match(own(host).join('\n'), /-d 10\.6\.0\.2\/32 .*--dport 80 -j DROP/, 'taken over');
  await driver.revokePorts(second);
  t.match(own(host).join('\n'), /-d 10\.5\.0\.2\/32 .*--dport 80 -j DROP/, 'given back');
  t.ok(guarded.length > 3);
  t.notOk(guarded.includes(false));
});

t.test('a start has the guards before it opens sockets or fills the map', async (t) => {
  const host = makeHost();
  const { driver } = await start(host, 'docker28');
  const labels = { ...asked, 'tsbridge.port_rules': 'map' };
  await driver.createNetwork(network(5, networkId, { [generic]: labels }));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  await driver.publishPorts(ids(), publish([6, 80, 8080, 8080, '0.0.0.0']));
  const all = [own(host), host.maps.dump()];
  host.firewall.flushRuleset();
  host.maps.tables.clear();
  const guarded: boolean[] = [];
  const look = () => guarded.push(own(host).join('\n').includes('--dport 80 -j DROP'));
  const { sync } = host.hostPorts;
  host.hostPorts.sync = (...args) => {
    look();
    return sync.apply(host.hostPorts, args);
  };
  const { commit } = host.maps;
  host.maps.commit = (...args) => {
    look();
    return commit.apply(host.maps, args);
  };
  await start(host, 'docker28');
  t.strictSame(guarded, [true, true]);
  t.strictSame([own(host), host.maps.dump()], all);
});

t.test(
  'a repair while an operator publishes leaves one guard for each list of ports',
  async (t) => {
    const operated = await new OperatedHost().start();
    const { host, engine } = operated;
    const { networkId } = engine.ids(5);
    const labels = { 'tsbridge.publish_from': 'loopback', 'tsbridge.port_rules': 'compact' };
    await engine.driver.createNetwork({ ...engine.network(5), options: { [generic]: labels } });
    operated.containers.networks.set(networkId, 'shop' as EngineName);
    const container = await operated.startContainer('web');
    await engine.driver.publishPorts(container, publish([6, 8000, 8000, 8000, '0.0.0.0']));
    const { open } = host.hostPorts;
    const guarded: string[] = [];
    host.hostPorts.open = async (...args) => {
      await repairRules(engine.world, 'running');
      guarded.push(...own(host).filter((rule) => /TSBRIDGE-PROXY-DROP .*--dport/.test(rule)));
      return open.apply(host.hostPorts, args);
    };
    await operated.publish('web', ['0.0.0.0:8001:8001']);
    const ports = (rules: readonly string[]) =>
      rules.map((rule) => / --dport (\S+)/.exec(rule)?.[1]);
    t.strictSame(ports(guarded), ['8000', '8001'], 'both before the second socket');
    const left = own(host).filter((rule) => /TSBRIDGE-PROXY-DROP .*--dport/.test(rule));
    t.strictSame(ports(left), ['8000', '8001'], 'none for a range of both');
    t.strictSame(await repairRules(engine.world, 'dry-run'), []);
  },
);

t.test('where rules could not hold anything back, it is refused', async (t) => {
  const six = { ipv6Data: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }] };
  const enabled = { [generic]: asked, 'com.docker.network.enable_ipv6': true };
  const refused = async (generation: GenerationName, message: RegExp) => {
    const { driver } = await start(makeHost(), generation);
    const asking = driver.createNetwork({ ...network(5, networkId, enabled), ...six });
    await t.rejects(asking, { code: 'options-invalid', message });
  };
  await refused(
    'docker17',
    /egress_allow and tsbridge.publish_from and tsbridge.egress_ip cannot be kept for IPv6: no IPv6 rules are written/,
  );
  const { driver } = await start(makeHost(), 'docker17');
  await driver.createNetwork(network(5, networkId, { [generic]: asked }));
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  await t.rejects(driver.publishPorts(ids(), publish([6, 80, 8080, 8080, '::'])), {
    code: 'options-invalid',
    message: /publish_from cannot be kept for ports on ::: no IPv6 rules.*-p 0\.0\.0\.0:PORT:PORT/,
  });
});

t.test('what containers with lists of their own share goes with the last of them', async (t) => {
  const host = makeHost();
  const { world } = host.boot({ ip6tables: true }, 'docker28');
  const driver = new CalledDriver(world, Promise.resolve());
  await driver.createNetwork(network());
  const drops = (family: 4 | 6) => host.firewall.rules('mangle', 'TSBRIDGE-EGRESS-DROP', family);
  const closed = () => [...drops(6), ...drops(4)].filter((rule) => !rule.startsWith('-s '));
  const shared = [
    `-i ${bridge} -j DROP`,
    `! -s 10.5.0.0/24 ! -d 10.5.0.0/24 -i ${bridge} -j DROP`,
    `! -s 10.5.0.0/24 -i ${bridge} -m addrtype --dst-type LOCAL,BROADCAST -j DROP`,
  ];
  const options = { 'tsbridge.egress_allow': 'none' };
  await driver.createEndpoint(endpoint(4, id('e')));
  t.strictSame(closed(), []);
  await driver.createEndpoint({ ...endpoint(2), options });
  await driver.createEndpoint({ ...endpoint(3, id('d')), options });
  t.strictSame(closed(), shared);
  await driver.deleteEndpoint(ids());
  t.strictSame(closed(), shared, 'another one has a list');
  t.strictSame(await repairRules(world, 'dry-run'), []);
  await driver.deleteEndpoint(ids(networkId, id('d')));
  t.strictSame(closed(), []);
  t.strictSame(await repairRules(world, 'dry-run'), []);
});

t.test('an address that the host does not have is told, and written all the same', async (t) => {
  const host = makeHost();
  const { driver } = await start(host, 'docker28');
  const told = () => host.logged.filter(({ message }) => /is on no interface/.test(message));
  await driver.createNetwork(network(5, networkId, { [generic]: asked }));
  await driver.createEndpoint(endpoint());
  t.match(told(), [{ level: 'warn', message: /egress_ip=192\.0\.2\.9 of network/ }]);
  const options = { 'tsbridge.egress_ip': '10.5.0.1' };
  await driver.createEndpoint({ ...endpoint(3, id('d')), options });
  t.equal(told().length, 1, 'the bridge has that one');
  t.match(own(host).join('\n'), /--to-source 10\.5\.0\.1/);
});
