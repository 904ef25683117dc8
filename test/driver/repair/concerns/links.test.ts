/** What a repair of links does and leaves, alone and beside one of rules, on a host in memory. */
import t from 'tap';
import { recover } from '../../../../src/driver/recover.js';
import { LinkConcern, repairLinks } from '../../../../src/driver/repair/concerns/links.js';
import { repairRules } from '../../../../src/driver/repair/concerns/rules.js';
import { SelfRepair } from '../../../../src/driver/repair/self-repair.js';
import { CalledDriver } from '../../../fakes/called-driver.js';
import { FakeClock } from '../../../fakes/fake-clock.js';
import { makeHost } from '../../../fakes/fake-host.js';
import { endpointIds } from '../../../fakes/ids.js';
import { bridge, id, networkId } from '../../../fakes/one-container.js';
import { generic, start } from '../../../fakes/published-port.js';

t.test('a dry run tells what is missing, and changes nothing', async (t) => {
  const { host, world } = await start();
  const before = host.firewall.dump();
  t.strictSame(await repairRules(world, 'dry-run'), []);
  t.strictSame(await repairLinks(world, 'dry-run'), []);
  host.firewall.flush();
  host.sysctls.values.set('net/ipv4/ip_forward', '0');
  const link = host.links.links.get(bridge);
  if (link !== undefined) host.links.links.set(bridge, { ...link, up: false, addresses: [] });
  const flushed = host.firewall.dump();
  const restores = host.firewall.restores.length;

  const rules = await repairRules(world, 'dry-run');
  t.ok(
    rules.includes(
      `append nat DOCKER ! -i ${bridge} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.5.0.2:80`,
    ),
  );
  const links = await repairLinks(world, 'dry-run');
  t.strictSame(links, [
    'set net/ipv4/ip_forward to 1',
    `add 10.5.0.1/24 to ${bridge}`,
    `set ${bridge} {"up":true}`,
  ]);
  t.strictSame(host.firewall.dump(), flushed);
  t.equal(host.firewall.restores.length, restores);
  t.match(host.links.links.get(bridge), { up: false, addresses: [] });

  t.strictSame(await repairRules(world, 'running'), rules, 'the same is then done');
  t.equal(host.firewall.restores.length, restores + 1, 'in one commit');
  t.strictSame(await repairLinks(world, 'running'), links);
  t.strictSame(host.firewall.dump(), before);
  t.strictSame(await repairRules(world, 'running'), []);
  t.strictSame(await repairLinks(world, 'running'), []);
});

t.test('of many links that changed, those that are wrong are looked at', async (t) => {
  const { host, world, driver } = await start();
  for (let number = 3; number < 15; number += 1) {
    const ids = endpointIds(networkId, id(`b${number}`));
    const rest = { addressIpv6: '', mac: '', options: {} };
    await driver.createEndpoint({ ...ids, address: `10.5.0.${number}/24`, ...rest });
    await driver.join(ids, `/run/docker/netns/${number}`);
  }
  const [network] = world.registry.networks();
  if (network === undefined) throw new Error('no network');
  const hosts = [...network.endpoints.values()].map(({ spec }) => spec.veth.host);
  const [wrong = ''] = hosts.slice(5);
  const looked: string[] = [];
  const find = host.links.find.bind(host.links);
  host.links.find = (name) => {
    looked.push(name);
    return find(name);
  };
  const touched = new Map([[network, new Set<string>([bridge, ...hosts])]]);
  t.strictSame(await repairLinks(world, 'running', touched), []);
  t.strictSame(looked, [], 'a list shows that all is right');

  const link = host.links.links.get(wrong);
  if (link === undefined) throw new Error('no link');
  host.links.links.set(wrong, { ...link, master: undefined });
  t.strictSame(await repairLinks(world, 'running', touched), [
    `set ${wrong} {"master":"${bridge}"}`,
  ]);
  t.strictSame(looked, [bridge, wrong]);

  looked.length = 0;
  const few = new Map([[network, new Set<string>(hosts.slice(0, 2))]]);
  t.strictSame(await repairLinks(world, 'running', few), []);
  t.strictSame(looked, [bridge, ...hosts.slice(0, 2)], 'a few are looked at one by one');
});

t.test('without icc, bridge traffic passes the rules again', async (t) => {
  const path = 'net/bridge/bridge-nf-call-iptables';
  const host = makeHost();
  host.sysctls.values.set(path, '0');
  const { world } = host.boot();
  await recover(world);
  await new CalledDriver(world, Promise.resolve()).createNetwork({
    networkId,
    options: { [generic]: { 'com.docker.network.bridge.enable_icc': 'false' } },
    ipv4Data: [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
    ipv6Data: [],
  });
  t.equal(host.sysctls.values.get(path), '1');
  host.sysctls.values.set(path, '0');
  t.strictSame(await repairLinks(world, 'running'), [`set ${path} to 1`]);
  t.equal(host.sysctls.values.get(path), '1');
});

t.test('a repair of links that failed is tried again with the same links', async (t) => {
  const { host, world } = await start();
  const clock = new FakeClock();
  const repairs = new SelfRepair([new LinkConcern(world)], world, [], clock);
  repairs.start();
  await clock.pass(1_000);
  const link = host.links.links.get(bridge);
  if (link !== undefined) host.links.links.set(bridge, { ...link, up: false });
  host.faults.calls.length = 0;
  repairs.noticed({ kind: 'link', name: 'eth0' });
  await clock.pass(1_000);
  t.strictSame(host.faults.calls, [], 'none of ours');
  const looked = new Set<string>();
  const find = host.links.find.bind(host.links);
  host.links.find = (name) => {
    looked.add(name);
    return find(name);
  };
  host.faults.plan('links.change', 'EBUSY');
  repairs.noticed({ kind: 'link', name: bridge });
  await clock.pass(500);
  t.match(host.logged.at(-1), { level: 'error', fields: { error: /EBUSY/ } });
  t.notOk(host.links.links.get(bridge)?.up);
  await clock.pass(5_000);
  t.strictSame(repairs.status().links?.last?.first, [`set ${bridge} {"up":true}`]);
  t.strictSame([...looked], [bridge], 'only the link that the sign named');
  t.equal(host.links.links.get(bridge)?.up, true);
  repairs.stop();
});

t.test('a dry run over a bridge that is gone writes no settings', async (t) => {
  const { host, world } = await start();
  host.links.links.delete(bridge);
  host.faults.calls.length = 0;
  const lines = await new LinkConcern(world).differences();
  t.ok(lines.includes(`create bridge ${bridge}`));
  t.notOk(
    host.faults.calls.some((call) => /write|create|change/.test(call)),
    'nothing is changed',
  );
});
