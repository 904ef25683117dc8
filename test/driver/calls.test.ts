/** The calls of an engine against a host in memory: what is there after each, and after failures. */
import t from 'tap';
import { makeHost } from '../fakes/fake-host.js';
import {
  bridge,
  endpoint,
  endpointId,
  id,
  ids,
  network,
  networkId,
  publish,
  start,
  state,
} from '../fakes/one-container.js';

t.test('a network, a container with ports, and nothing left', async (t) => {
  const host = makeHost();
  const { driver } = await start(host);
  await driver.createNetwork(network());
  t.match(host.links.links.get(bridge), { kind: 'bridge', up: true, addresses: [{}] });
  t.equal(host.sysctls.values.get('net/ipv4/ip_forward'), '1');
  t.equal(host.firewall.policy('FORWARD'), 'DROP', 'we switched forwarding on');
  t.equal(host.firewall.restores.length, 2, 'one for the rules, one for the policy');
  const before = state(host);

  t.same(await driver.createEndpoint(endpoint()), { mac: '02:42:0a:05:00:02' });
  t.same(await driver.join(ids(), '/var/run/docker/netns/1'), {
    interface: `veth${endpointId.slice(7, 14)}`,
    prefix: 'eth',
    gateway: '10.5.0.1',
    gatewayIpv6: undefined,
  });
  const restores = host.firewall.restores.length;
  await driver.publishPorts(ids(), publish([6, 80, 8080], [17, 53, 5353], [6, 81, 0, 0]));
  t.equal(host.firewall.restores.length, restores + 1, 'one commit for all ports');
  t.same(state(host).ports, [
    '0.0.0.0:32770/tcp',
    '0.0.0.0:5353/udp',
    '0.0.0.0:8080/tcp',
    '[::]:32770/tcp',
    '[::]:5353/udp',
    '[::]:8080/tcp',
  ]);
  t.same(host.firewall.rules('nat', 'DOCKER'), [
    `-i ${bridge} -j RETURN`,
    `! -i ${bridge} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.5.0.2:80`,
    `! -i ${bridge} -p udp -m udp --dport 5353 -j DNAT --to-destination 10.5.0.2:53`,
    `! -i ${bridge} -p tcp -m tcp --dport 32770 -j DNAT --to-destination 10.5.0.2:81`,
  ]);
  t.same(host.conntrack.removed, ['udp4 5353 both ways', 'udp6 5353 both ways']);
  t.match(await driver.endpointInfo(ids()), {
    'com.docker.network.portmap': [
      { Proto: 6, IP: '10.5.0.2', Port: 80, HostIP: '0.0.0.0', HostPort: 8080 },
    ],
    'com.docker.network.endpoint.exposedports': [{ Proto: 6, Port: 80 }],
  });
  await driver.revokePorts(ids());
  await driver.leave(ids());
  await driver.deleteEndpoint(ids());
  t.same(state(host), before);
  await driver.deleteNetwork(ids().networkId);
  t.same(state(host).links, []);
  t.same(state(host).records, []);
  t.notMatch(JSON.stringify(host.firewall.dump()), bridge);
});

t.test('every call may be repeated', async (t) => {
  const host = makeHost();
  const { driver } = await start(host);
  for (let time = 0; time < 2; time += 1) {
    await driver.createNetwork(network());
    await driver.createEndpoint(endpoint());
    await driver.join(ids(), '/ns');
    await driver.publishPorts(ids(), publish([6, 80, 8080]));
  }
  t.equal(host.hostPorts.held.size, 2);
  await t.rejects(driver.createNetwork(network(6)), { code: 'network-exists' });
  await t.rejects(driver.createEndpoint(endpoint(3)), { code: 'endpoint-exists' });
  for (let time = 0; time < 2; time += 1) {
    await driver.revokePorts(ids());
    await driver.deleteEndpoint(ids());
    await driver.deleteNetwork(ids().networkId);
  }
  t.same(state(host).links, []);
});

t.test('calls about an unknown network or endpoint are refused', async (t) => {
  const { driver } = await start(makeHost());
  await t.rejects(driver.createEndpoint(endpoint()), { code: 'network-unknown' });
  await driver.createNetwork(network());
  await t.rejects(driver.join(ids(), '/ns'), { code: 'endpoint-unknown' });
  await t.rejects(driver.publishPorts(ids(), {}), { code: 'endpoint-unknown' });
  await t.rejects(driver.endpointInfo(ids()), { code: 'endpoint-unknown' });
});

t.test('conflicts name the other party and change nothing', async (t) => {
  const host = makeHost();
  const { driver } = await start(host);
  await driver.createNetwork(network());
  const before = state(host);
  await t.rejects(driver.createNetwork(network(5, id('c'))), {
    code: 'network-conflict',
    message: /overlapping IPv4/,
  });
  host.links.links.set('eth9', {
    index: 1,
    name: 'eth9',
    kind: undefined,
    up: true,
    mtu: 1500,
    master: undefined,
    hairpin: undefined,
    addresses: [],
  });
  const named = { 'com.docker.network.generic': { 'com.docker.network.bridge.name': 'eth9' } };
  await t.rejects(driver.createNetwork(network(6, id('c'), named)), {
    message: /existing interface eth9 is not a bridge/,
  });
  t.ok(host.links.links.delete('eth9'), 'which is still there');
  t.same(state(host), before);
  const both = [
    driver.createNetwork(network(7, id('d'))),
    driver.createNetwork(network(7, id('e'))),
  ];
  const results = await Promise.allSettled(both);
  t.same(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'also at once');
});

t.test('a call that fails anywhere undoes what it did', async (t) => {
  const steps = ['links.create', 'links.addAddress', 'links.change', 'sysctls.write'];
  for (const step of [...steps, 'store.write', 'firewall']) {
    const host = makeHost();
    const { driver } = await start(host);
    if (step === 'firewall') host.firewall.failures.push('boom', 'boom');
    else host.faults.plan(step, 'boom');
    await t.rejects(driver.createNetwork(network()), { message: /creating network .*boom/ }, step);
    t.same(state(host).links, [], step);
    t.same(state(host).records, [], step);
    t.notMatch(JSON.stringify(host.firewall.dump()), bridge, step);
    await driver.createNetwork(network());
  }
  for (const step of ['links.create', 'store.write']) {
    const host = makeHost();
    const { driver } = await start(host);
    await driver.createNetwork(network());
    const before = state(host);
    host.faults.plan(step, 'boom');
    await t.rejects(driver.createEndpoint(endpoint()), { message: /boom/ }, step);
    t.same(state(host), before, step);
    await driver.createEndpoint(endpoint());
  }
  for (const step of ['conntrack', 'store.write', 'firewall', 'hostPorts.open']) {
    const host = makeHost();
    const { driver } = await start(host);
    await driver.createNetwork(network());
    await driver.createEndpoint(endpoint());
    const before = state(host);
    if (step === 'firewall') host.firewall.failures.push('boom', 'boom');
    else host.faults.plan(step, 'boom');
    await t.rejects(driver.publishPorts(ids(), publish([17, 53, 53])), { message: /boom/ }, step);
    t.same(state(host), before, step);
    await driver.publishPorts(ids(), publish([17, 53, 53]));
  }
});

function recordOf(host: ReturnType<typeof makeHost>, endpointId: string): string {
  const [, record] = [...host.store.records].find(([key]) => key.includes(endpointId)) ?? [];
  if (record === undefined) throw new Error(`no record of ${endpointId}`);
  return record.text;
}

/** Port 8080 is one endpoint's, and another one has none. */
async function publishedBesideAnother() {
  const host = makeHost();
  const { driver } = await start(host);
  await driver.createNetwork(network());
  await driver.createEndpoint(endpoint());
  await driver.createEndpoint(endpoint(3, id('c')));
  await driver.publishPorts(ids(), publish([6, 80, 8080]));
  return { host, driver };
}

t.test('what was published stays if its successor is refused', async (t) => {
  const { host, driver } = await publishedBesideAnother();
  const other = ids(networkId, id('c'));
  await driver.publishPorts(other, publish([6, 82, 8082]));
  const before = state(host);
  const refused = driver.publishPorts(other, publish([6, 83, 8083], [6, 80, 8080]));
  await t.rejects(refused, { code: 'port-allocated' });
  t.same(state(host), before);
  await driver.publishPorts(other, publish([6, 82, 8082], [6, 83, 8083]));
});

t.test('ports that cannot be had are refused, and nothing is published', async (t) => {
  const { host, driver } = await publishedBesideAnother();
  const before = state(host);
  const other = ids(networkId, id('c'));
  await t.rejects(driver.publishPorts(other, publish([6, 81, 8081], [6, 80, 8080])), {
    code: 'port-allocated',
    message: /^Bind for 0\.0\.0\.0:8080 failed: port is already allocated/,
  });
  await t.rejects(driver.publishPorts(other, publish([6, 80, 8080, 8080, '127.0.0.1'])), {
    message: /^Bind for 0\.0\.0\.0:8080 failed: port is already allocated/,
  });
  host.hostPorts.foreign.set('0.0.0.0:9000/tcp', 'EADDRINUSE');
  await t.rejects(driver.publishPorts(other, publish([6, 80, 9000])), {
    code: 'port-unavailable',
    message:
      /^Error starting userland proxy: listen tcp4 0\.0\.0\.0:9000: bind: address already in use/,
  });
  t.same(state(host), before, 'and nothing is left of them');
  t.notMatch(recordOf(host, id('c')), 'publishedAt');
  await driver.publishPorts(other, publish([6, 80, 9000, 9002]));
  t.match(recordOf(host, id('c')), 'publishedAt');
  t.ok(host.hostPorts.held.has('0.0.0.0:9001/tcp'), 'a range goes on to its next port');
  t.notOk(host.hostPorts.held.has('[::]:9000/tcp'));
  host.hostPorts.foreign.set('[::]:7000/tcp', 'EAFNOSUPPORT');
  await driver.publishPorts(other, publish([6, 80, 7000]));
  t.ok(host.hostPorts.held.has('0.0.0.0:7000/tcp'), 'a host without IPv6 publishes on IPv4');
});
