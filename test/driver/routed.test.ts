/** Ports of a network in mode `routed`, with and without the network as the container's gateway. */
import t from 'tap';
import type { GenerationName } from '../../src/core/generations/generation.js';
import type { EndpointIds } from '../../src/driver/network-driver.js';
import { recover } from '../../src/driver/recover.js';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { Engine } from '../fakes/engine-calls.js';
import { makeHost, stateOf } from '../fakes/fake-host.js';

const published = (...ports: number[]) => ({
  'com.docker.network.portmap': ports.map((Port) => ({
    ...{ Proto: 6, IP: '', Port, HostIP: '', HostPort: 0, HostPortEnd: 0 },
  })),
});

async function start(generation: GenerationName, ofEndpoint: Record<string, string> = {}) {
  const host = makeHost();
  const engine = new Engine(host);
  const boot = async () => {
    const { world } = host.boot({}, generation);
    await recover(world);
    return { world, driver: new CalledDriver(world, Promise.resolve()) };
  };
  const { world, driver } = await boot();
  const network = engine.network(5);
  const generic = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
  await driver.createNetwork({
    ...network,
    options: { ...network.options, 'com.docker.network.generic': generic },
  });
  await driver.createEndpoint({ ...engine.endpoint(5), options: ofEndpoint });
  const ids: EndpointIds = engine.ids(5);
  /** Container ports that are open. */
  const open = () =>
    (host.firewall.dump()['filter DOCKER'] ?? [])
      .flatMap((rule) => /--dport (\d+) -j ACCEPT$/.exec(rule)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  return { host, world, driver, ids, open, boot };
}

t.test('with the rules of 29 they are open from Join to Leave', async (t) => {
  const { host, world, driver, ids, open, boot } = await start('docker29');
  const bare = host.firewall.dump();
  await driver.join(ids, '/ns', undefined, published(80, 81));
  t.strictSame(open(), [80, 81], 'another network is the gateway');
  t.strictSame(await repairRules(world, 'dry-run'), []);
  await driver.publishPorts(ids, published(80, 81));
  t.strictSame(open(), [80, 81], 'this one becomes it');
  await driver.revokePorts(ids);
  t.strictSame(open(), [80, 81], 'another one does');
  await driver.publishPorts(ids, published(81, 82));
  t.strictSame(open(), [81, 82], 'what is not published any more is closed');
  t.strictSame(await repairRules(world, 'dry-run'), []);
  await driver.revokePorts(ids);
  const next = await boot();
  t.strictSame(open(), [81, 82], 'after a restart');
  t.strictSame(await repairRules(next.world, 'dry-run'), []);
  await next.driver.leave(ids);
  t.strictSame(host.firewall.dump(), bare);
  await boot();
  t.strictSame(host.firewall.dump(), bare, 'and a start does not open them again');
});

t.test('with the rules of 28 they are open only while the network is the gateway', async (t) => {
  const { driver, ids, open } = await start('docker28');
  await driver.join(ids, '/ns', undefined, published(80));
  t.strictSame(open(), []);
  await driver.publishPorts(ids, published(80));
  t.strictSame(open(), [80]);
  await driver.revokePorts(ids);
  t.strictSame(open(), []);
});

t.test('a Join that cannot open them fails and leaves nothing open', async (t) => {
  const { host, driver, ids, open } = await start('docker29');
  const before = host.firewall.dump();
  host.faults.plan('store.write', 'ENOSPC');
  await t.rejects(driver.join(ids, '/ns', undefined, published(80)), /opening ports .*ENOSPC/);
  t.strictSame(host.firewall.dump(), before);
  const wrong = { 'com.docker.network.portmap': [{ Proto: 1 }] };
  await t.rejects(driver.join(ids, '/ns', undefined, wrong), /invalid port mapping data/);
  await driver.join(ids, '/ns', undefined, published(80));
  t.strictSame(open(), [80]);
  host.faults.plan('store.write', 'ENOSPC');
  await t.rejects(driver.publishPorts(ids, published(80)), /ENOSPC/);
  t.strictSame(open(), [80], 'as Join left it');
});

t.test('a Join whose routes are refused leaves nothing open, and can be repeated', async (t) => {
  const asked = { 'tsbridge.host_routes': '10.88.0.0/24' };
  const { host, driver, ids, open } = await start('docker29', asked);
  const before = stateOf(host);
  host.faults.plan('routes.add', 'ENOMEM');
  await t.rejects(driver.join(ids, '/ns', undefined, published(80)), /joining endpoint .*ENOMEM/);
  t.strictSame(stateOf(host), before);
  host.faults.plan('routes.add', 'ENOMEM');
  host.faults.plan('routes.remove', 'ENOMEM');
  await t.rejects(driver.join(ids, '/ns', undefined, published(80)), /ENOMEM/);
  await driver.join(ids, '/ns', undefined, published(80));
  t.strictSame(open(), [80]);
  t.match(host.routes.dump(), [/10\.88\.0\.0\/24/]);
  host.faults.plan('routes.add', 'ENOMEM');
  await driver.join(ids, '/ns', undefined, published(80)).catch(() => {});
  t.match(host.routes.dump(), [/10\.88\.0\.0\/24/], 'a call that is repeated takes nothing away');
});

t.test('a repair beside a call that publishes does not close them', async (t) => {
  const { host, world, driver, ids, open } = await start('docker29');
  await driver.join(ids, '/ns', undefined, published(80));
  const { hostPorts } = host;
  const opening = hostPorts.open.bind(hostPorts);
  let during: string[] | undefined;
  hostPorts.open = async (...args) => {
    during = await repairRules(world, 'running');
    return opening(...args);
  };
  await driver.publishPorts(ids, published(80));
  t.strictSame(during, []);
  t.strictSame(open(), [80]);
});
