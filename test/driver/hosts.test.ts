/** The driver on hosts of several kinds: after a restart or a reboot, with each generation, with old kernels. */
import t from 'tap';
import { recover } from '../../src/driver/recover.js';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { makeHost } from '../fakes/fake-host.js';
import {
  endpoint,
  ids,
  network,
  networkId,
  publish,
  start,
  state,
} from '../fakes/one-container.js';

t.test('a second driver takes over what is there without touching it', async (t) => {
  const host = makeHost();
  const { driver } = await start(host);
  await driver.createNetwork(network());
  await driver.createEndpoint(endpoint());
  await driver.join(ids(), '/ns');
  await driver.publishPorts(ids(), publish([6, 80, 8080]));
  const before = state(host);
  const restores = host.firewall.restores.length;
  const second = await start(host);
  t.same(state(host), before);
  t.equal(host.firewall.restores.length, restores, 'no rule is written again');
  await second.driver.deleteEndpoint(ids());
  await second.driver.deleteNetwork(ids().networkId);
  t.same(state(host).links, []);
  t.same(state(host).ports, []);
  t.same(state(host).records, []);
});

t.test('after a reboot networks come back and dead containers do not', async (t) => {
  const host = makeHost();
  const { driver } = await start(host);
  await driver.createNetwork(network());
  const before = state(host);
  await driver.createEndpoint(endpoint());
  await driver.publishPorts(ids(), publish([6, 80, 8080]));
  host.links.links.clear();
  host.firewall.flush();
  await start(host);
  t.same(state(host).links, before.links);
  t.same(state(host).rules, before.rules);
  t.same(state(host).ports, []);
  t.same(state(host).records, before.records);
});

t.test('rules move over when the engine turns out to be of another generation', async (t) => {
  const host = makeHost();
  const boot = host.boot({}, 'auto');
  await recover(boot.world);
  const driver = new CalledDriver(boot.world, Promise.resolve());
  await driver.createNetwork(network());
  t.ok(host.firewall.dump()['filter DOCKER-INTERNAL'], 'no engine: the newest');
  await driver.createEndpoint(endpoint());
  await driver.publishPorts(ids(), publish([6, 80, 8080]));
  await repairRules(boot.world);
  t.ok(host.firewall.dump()['filter DOCKER-INTERNAL'], 'our own chains are no engine');
  // An engine of 20.10 starts.
  const jump = '-I FORWARD 1 -j DOCKER-ISOLATION-STAGE-1';
  const chains = '-N DOCKER-ISOLATION-STAGE-1\n-N DOCKER-ISOLATION-STAGE-2';
  await host.firewall.restore(4, `*filter\n${chains}\n${jump}\nCOMMIT\n`);
  await repairRules(boot.world);
  t.notMatch(JSON.stringify(host.firewall.dump()), /DOCKER-FORWARD|DOCKER-CT|DOCKER-BRIDGE/);
  const again = makeHost();
  const fresh = await start(again);
  await fresh.driver.createNetwork(network());
  await fresh.driver.createEndpoint(endpoint());
  await fresh.driver.publishPorts(ids(), publish([6, 80, 8080]));
  t.same(host.firewall.dump(), again.firewall.dump(), 'as if it had been so from the start');
});

t.test('an option that the engine of the host lacks', async (t) => {
  const { driver } = await start(makeHost());
  const labels = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
  await t.rejects(
    driver.createNetwork(network(5, networkId, { 'com.docker.network.generic': labels })),
    { code: 'options-invalid', message: /since Docker 27 \(with tsbridge: with the rules of 28/ },
  );
});

t.test('a routed network opens container ports and binds none', async (t) => {
  const host = makeHost();
  const { driver } = await start(host, 'docker28');
  const labels = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
  await driver.createNetwork(network(5, networkId, { 'com.docker.network.generic': labels }));
  const before = state(host);
  await driver.createEndpoint(endpoint());
  const joined = state(host);
  await driver.publishPorts(ids(), publish([6, 80, 8080], [17, 53, 5353]));
  const opened = Object.values(host.firewall.dump())
    .flat()
    .filter((line) => line.includes('--dport'));
  t.equal(opened.length, 2, opened.join());
  t.match(opened.join(), '-d 10.5.0.2/32');
  t.same([...host.hostPorts.held.keys()].sort(), ['[::]:5353/udp', '[::]:8080/tcp']);
  const ports = (await driver.endpointInfo(ids()))['com.docker.network.portmap'];
  t.match(ports, [
    ...[
      { HostIP: '::', HostPort: 5353 },
      { HostIP: '::', HostPort: 8080 },
    ],
    ...[{ IP: '10.5.0.2', Port: 53, HostIP: '', HostPort: 0 }, { Port: 80 }],
  ]);

  const again = await start(host, 'docker28');
  await again.driver.revokePorts(ids());
  t.same(state(host), joined, 'also after a restart');
  await again.driver.deleteEndpoint(ids());
  t.same(state(host), before);
});

t.test('endpoints are created on a kernel without table raw', async (t) => {
  const host = makeHost();
  const { driver, world } = await start(host, 'docker28');
  await driver.createNetwork(network());
  host.firewall.missing.add('raw');
  await driver.createEndpoint(endpoint());
  await driver.publishPorts(ids(), publish([6, 80, 8080, 8080, '127.0.0.1']));
  t.match(
    host.firewall.rules('nat', 'DOCKER').at(-1),
    '-d 127.0.0.1/32',
    'all but those are there',
  );
  t.match(world.rules.problems(), [/no table raw for IPv4/]);
  const warnings = host.logged.filter(({ level }) => level === 'warn');
  t.match(warnings, [{ message: /no table raw for IPv4/ }], 'once');
  t.same(await repairRules(world), [], 'nothing is missed');
  await driver.deleteEndpoint(ids());
  t.notMatch(JSON.stringify(host.firewall.dump()), /10\.5\.0\.2/);
});

t.test('a commit that is refused for another reason', async (t) => {
  const host = makeHost();
  const { driver, world } = await start(host, 'docker28');
  await driver.createNetwork(network());
  host.firewall.missing.add('raw').add('filter');
  await t.rejects(driver.createEndpoint(endpoint()), { code: 'firewall-failed' });
  t.same(world.rules.problems(), [], 'says nothing of the table');
});
