/** What a repair does and leaves, on a host in memory. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { recover } from '../../../src/driver/recover.js';
import { hostConcerns } from '../../../src/driver/repair/concerns.js';
import { LinkConcern, repairLinks } from '../../../src/driver/repair/links.js';
import { repairRules, repairRulesRunning } from '../../../src/driver/repair/rules.js';
import { SelfRepair } from '../../../src/driver/repair/self-repair.js';
import { SettingConcern } from '../../../src/driver/repair/sysctls.js';
import { repairZones, repairZonesRunning } from '../../../src/driver/repair/zones.js';
import { CalledDriver } from '../../fakes/called-driver.js';
import { FakeClock } from '../../fakes/fake-clock.js';
import { type FakeHost, makeHost } from '../../fakes/fake-host.js';
import { endpointIds } from '../../fakes/ids.js';

const id = (seed: string) => createHash('sha256').update(seed).digest('hex');
const networkId = id('a');
const endpointId = id('b');
const bridge = `br-${networkId.slice(0, 12)}`;
const generic = 'com.docker.network.generic';

/** A network with a container that publishes 8080. */
async function start(
  labels: Record<string, string> = {},
  settings: Parameters<FakeHost['boot']>[0] = {},
) {
  const host = makeHost();
  const { world } = host.boot(settings);
  await recover(world);
  const driver = new CalledDriver(world, Promise.resolve());
  const ids = endpointIds(networkId, endpointId);
  await driver.createNetwork({
    networkId,
    options: { [generic]: labels },
    ipv4Data: [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
    ipv6Data: [],
  });
  await driver.createEndpoint({
    networkId,
    endpointId,
    address: '10.5.0.2/24',
    addressIpv6: '',
    mac: '',
    options: {},
  });
  await driver.join(ids, '/run/docker/netns/1');
  const publish = () =>
    driver.publishPorts(ids, {
      'com.docker.network.portmap': [
        { Proto: 6, IP: '', Port: 80, HostIP: '0.0.0.0', HostPort: 8080, HostPortEnd: 8080 },
      ],
    });
  await publish();
  return { host, world, driver, publish, ids };
}

t.test('flows to UDP ports are forgotten when their rules have come back', async (t) => {
  const { host, world, driver, ids } = await start();
  const port = { IP: '', Port: 80, HostIP: '0.0.0.0', HostPort: 8080, HostPortEnd: 8080 };
  const repair = async (): Promise<string[]> => {
    host.conntrack.removed.length = 0;
    host.firewall.flush();
    await repairRules(world, 'running');
    return host.conntrack.removed;
  };
  t.same(await repair(), [], 'there is none');
  const map = [6, 17].map((Proto) => ({ Proto, ...port }));
  await driver.publishPorts(ids, { 'com.docker.network.portmap': map });
  t.same(await repair(), ['udp4 8080 both ways']);
  host.conntrack.removed.length = 0;
  await repairRules(world, 'running');
  t.same(host.conntrack.removed, [], 'nothing was missing');
});

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

t.test('a chain is made only when it has been quiet', async (t) => {
  const { host, world } = await start();
  const before = host.firewall.dump();
  host.firewall.flush();
  await host.firewall.restore(4, '*nat\n-X DOCKER\nCOMMIT\n');
  const broken = host.firewall.dump();
  t.notOk('nat DOCKER' in broken);
  t.equal(await repairRulesRunning(world, false), 'too-early');
  t.strictSame(host.firewall.dump(), broken, 'an engine may be about to make it');
  t.ok((await repairRulesRunning(world, true)).includes('create-chain nat DOCKER'));
  t.strictSame(host.firewall.dump(), before);

  host.firewall.flush();
  t.not(await repairRulesRunning(world, false), 'too-early', 'rules alone do not wait');
  t.strictSame(host.firewall.dump(), before);
});

t.test('only the families that somebody has changed are read', async (t) => {
  const { host, world } = await start();
  const before = host.firewall.dump();
  host.firewall.flush();
  const broken = host.firewall.dump();
  const { reads } = host.firewall;
  t.same(await repairRulesRunning(world, true, [6]), []);
  t.same(host.firewall.dump(), broken);
  t.equal(host.firewall.reads, reads, 'this host has IPv4 alone');
  const repairs = new SelfRepair(hostConcerns(world), world.log);
  t.teardown(() => repairs.stop());
  const repaired = async (times: number): Promise<void> => {
    const count = () => host.logged.filter(({ message }) => /^repaired rules/.test(message)).length;
    while (count() < times) await sleep(10);
  };
  repairs.start();
  await repaired(1);
  t.same(host.firewall.dump(), before, 'at a start, all of them');
  host.firewall.flush();
  repairs.noticed({ kind: 'rules', author: { program: 'nft', pid: 1 }, families: [] });
  t.equal(repairs.status().rules?.repairs.nft, undefined);
  repairs.noticed({ kind: 'rules', author: { program: 'iptables', pid: 2 }, families: [4] });
  await repaired(2);
  t.same(host.firewall.dump(), before);
  t.same(repairs.status().rules?.repairs, { unknown: 1, iptables: 1 });
});

t.test('rules that are there twice come right', async (t) => {
  const { host, world } = await start();
  const before = host.firewall.dump();
  const rule = `-i ${bridge} -o ${bridge} -j ACCEPT`;
  await host.firewall.restore(4, `*filter\n-A FORWARD ${rule}\n-A FORWARD -j MINE\nCOMMIT\n`);
  t.strictSame(await repairRules(world, 'running'), [
    `delete filter FORWARD ${rule}`,
    `delete filter FORWARD ${rule}`,
    `insert filter FORWARD ${rule}`,
  ]);
  const after = host.firewall.dump();
  t.equal(after['filter FORWARD']?.at(-1), '-j MINE');
  t.same(
    new Set(after['filter FORWARD']),
    new Set([...(before['filter FORWARD'] ?? []), '-j MINE']),
  );
  t.equal(after['filter FORWARD']?.length, (before['filter FORWARD']?.length ?? 0) + 1);
});

t.test('the policy of FORWARD comes back with the chains, and only then', async (t) => {
  const { host, world } = await start();
  t.equal(host.firewall.policy('FORWARD'), 'DROP');
  const accept = () => host.firewall.restore(4, '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n');
  await repairRules(world, 'running');
  host.firewall.flushRuleset();
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT');
  t.ok((await repairRules(world, 'running')).includes('policy filter FORWARD'));
  t.equal(host.firewall.policy('FORWARD'), 'DROP');
  await accept();
  t.strictSame(await repairRules(world, 'running'), []);
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT', "the administrator's will");
  host.firewall.flushRuleset();
  await repairRules(world, 'running');
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT', 'also later');
});

t.test('a policy set right after iptables -F is as good as one set a second later', async (t) => {
  const { host, world } = await start();
  await repairRules(world, 'running');
  host.firewall.flush();
  await host.firewall.restore(4, '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n');
  t.ok((await repairRules(world, 'running')).length > 0);
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT');
});

t.test('a repair does not run ahead of a call', async (t) => {
  const { host, world, driver, publish, ids } = await start();
  await driver.revokePorts(ids);
  const open = host.hostPorts.open.bind(host.hostPorts);
  let sawRule = false;
  let repaired: readonly string[] = [];
  host.hostPorts.open = async (...args) => {
    // Somebody flushes while it is not known yet whether the port can be had.
    host.firewall.flush();
    repaired = await repairRules(world, 'running');
    sawRule = host.firewall.rules('nat', 'DOCKER').some((rule) => rule.includes('8080'));
    return open(...args);
  };
  await publish();
  t.equal(sawRule, false, 'no rule for a port that may be another program’s');
  t.ok(repaired.length > 0);
  t.ok(host.firewall.rules('nat', 'DOCKER').some((rule) => rule.includes('8080')));
  t.strictSame(await repairRules(world, 'dry-run'), []);

  await driver.revokePorts(ids);
  host.hostPorts.open = open;
  let during: Promise<string[]> | undefined;
  const addPorts = world.rules.addPorts.bind(world.rules);
  world.rules.addPorts = (...args) => {
    during = repairRules(world, 'running');
    return addPorts(...args);
  };
  await publish();
  t.strictSame(await during, [], 'what the call was about to do is not told as a repair');
});

t.test('settings are looked at, and put right', async (t) => {
  const { host, world } = await start({}, { userlandProxy: false });
  const clock = new FakeClock();
  const localnet = `net/ipv4/conf/${bridge}/route_localnet`;
  const { values } = host.sysctls;
  t.equal(values.get(localnet), '1');
  const watch = new SelfRepair([new SettingConcern(world)], world.log, [], clock);
  watch.start();
  host.faults.calls.length = 0;
  await clock.pass(2_000);
  t.notOk(host.faults.calls.includes('sysctls.write'), 'nothing is written that is right');
  const policies = host.firewall.policy('FORWARD');
  await host.firewall.restore(4, '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n');
  values.set(localnet, '0');
  values.set('net/ipv4/ip_forward', '0');
  await clock.pass(700);
  t.equal(values.get(localnet), '1');
  t.equal(values.get('net/ipv4/ip_forward'), '1');
  t.equal(policies, 'DROP');
  t.equal(host.firewall.policy('FORWARD'), 'ACCEPT', 'what it was while we ran');
  t.match(
    host.logged.filter(({ level }) => level === 'warn'),
    [
      {
        message: 'repaired settings that somebody else had changed',
        fields: { count: 2, author: 'unknown' },
      },
    ],
  );
  t.match(watch.status().settings, { repairs: { unknown: 1 } });
  watch.stop();
  values.set(localnet, '0');
  await clock.pass(5_000);
  t.equal(values.get(localnet), '0', 'not after stop');
  t.equal(clock.pending, 0);
});

t.test('settings that cannot be read or written', async (t) => {
  const { host, world } = await start();
  const clock = new FakeClock();
  const watch = new SelfRepair([new SettingConcern(world)], world.log, [], clock);
  const read = host.sysctls.read.bind(host.sysctls);
  host.sysctls.read = async () => {
    throw new Error('EIO');
  };
  watch.start();
  await clock.pass(600);
  t.match(host.logged.at(-1), { level: 'warn', fields: { error: 'EIO' } });
  host.sysctls.read = read;
  host.sysctls.values.set('net/ipv4/ip_forward', '0');
  host.faults.plan('sysctls.write', 'EROFS');
  await clock.pass(700);
  t.match(host.logged.at(-1), { level: 'error', fields: { error: /EROFS/ } });
  t.equal(watch.status().settings?.steppedBack, true);
  await clock.pass(2_000);
  t.equal(host.sysctls.values.get('net/ipv4/ip_forward'), '1', 'it is tried again');
  watch.stop();
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

t.test("a repair puts bridges back into firewalld's zone", async (t) => {
  const host = makeHost();
  host.zones.placed = new Set();
  const { world } = host.boot();
  await recover(world);
  const driver = new CalledDriver(world, Promise.resolve());
  const create = (seed: string, number: number, options: Record<string, unknown>) =>
    driver.createNetwork({
      networkId: id(seed),
      options: { [generic]: {}, ...options },
      ipv4Data: [{ pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` }],
      ipv6Data: [],
    });
  await create('a', 5, {});
  await create('b', 6, { 'com.docker.network.internal': true });
  t.strictSame([...host.zones.placed], [bridge], 'an internal one only from 28 on');
  t.strictSame(await repairZones(world, 'running'), []);

  host.zones.placed.clear();
  t.equal(await repairZonesRunning(world, false), 'too-early');
  const missing = [`put ${bridge} into the zone of firewalld`];
  t.strictSame(await repairZones(world, 'dry-run'), missing);
  t.equal(host.zones.placed.size, 0);
  t.strictSame(await repairZonesRunning(world, true), missing);
  t.strictSame([...host.zones.placed], [bridge]);

  const ids = endpointIds(networkId, endpointId);
  host.zones.placed.clear();
  const ask = host.zones.unplaced.bind(host.zones);
  host.zones.unplaced = async (bridges) => {
    host.zones.unplaced = ask;
    const absent = await ask(bridges);
    await driver.deleteNetwork(ids.networkId);
    return absent;
  };
  t.strictSame(await repairZones(world, 'running'), [], 'deleted while firewalld was asked');
  t.equal(host.zones.placed.size, 0);

  await create('a', 5, {});
  host.faults.plan('zones.remove', 'no such zone');
  await driver.deleteNetwork(ids.networkId);
  t.match(host.logged.at(-1), { level: 'warn', fields: { bridge } }, 'no reason to keep a network');
  await create('c', 7, {});
  host.faults.plan('zones.place', 'asking firewalld: no answer');
  await t.rejects(create('d', 8, {}), /asking firewalld: no answer/);
  t.equal(host.links.links.size, 2, 'it is undone');
});

t.test('a call that makes the chains again brings the policy of FORWARD with it', async (t) => {
  const { host, world, publish } = await start();
  await repairRules(world, 'running');
  host.firewall.flushRuleset();
  host.firewall.failures.push('what it counts on is gone');
  await publish();
  t.equal(host.firewall.policy('FORWARD'), 'DROP', 'no repair has run');
});

t.test('a refused commit is a sign, even if no monitor has told of the change', async (t) => {
  const { host, world, publish } = await start();
  const rules = () => Object.values(host.firewall.dump()).flat().sort();
  const before = rules();
  let refusals = 0;
  world.rules.onRefusal(() => {
    refusals += 1;
  });
  await publish();
  t.equal(refusals, 0);
  host.firewall.flush();
  await publish();
  t.equal(refusals, 1);
  t.ok(rules().length < before.length, 'the call did its own part');
  await repairRules(world, 'running');
  t.strictSame(rules(), before);
});

/** As a dump from another day has it: of our container's former address, of docker0, of a user. */
const oldRules = {
  'nat DOCKER': `! -i ${bridge} -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.5.0.77:80`,
  'filter DOCKER': `-d 10.5.0.77/32 ! -i ${bridge} -o ${bridge} -p tcp -m tcp --dport 80 -j ACCEPT`,
};
const notOurs = {
  'nat DOCKER': '! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.9:80',
  'filter DOCKER-USER': `-i ${bridge} -j DROP`,
  'filter FORWARD': `-i ${bridge} -d 10.5.0.9/32 -j DROP`,
};

async function restoreOld(host: FakeHost, rules: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, text] of Object.entries(rules)) {
    const [table, chain] = key.split(' ');
    await host.firewall.restore(4, `*${table}\n-A ${chain} ${text}\nCOMMIT\n`);
  }
}

t.test('a stale rule about us in a chain of Docker is drift, and goes', async (t) => {
  const { host, world } = await start();
  await host.firewall.restore(4, '*nat\n-A PREROUTING -j X\nCOMMIT\n').catch(() => {});
  host.links.links.set('docker0', { name: 'docker0', index: 99 } as never);
  await restoreOld(host, notOurs);
  const before = host.firewall.dump();
  await restoreOld(host, oldRules);
  await restoreOld(host, { 'nat DOCKER': oldRules['nat DOCKER'] });
  const planned = await repairRules(world, 'dry-run');
  t.strictSame(planned, [
    `delete nat DOCKER ${oldRules['nat DOCKER']}`,
    `delete nat DOCKER ${oldRules['nat DOCKER']}`,
    `delete filter DOCKER ${oldRules['filter DOCKER']}`,
  ]);
  t.strictSame(await repairRules(world, 'running'), planned);
  t.strictSame(host.firewall.dump(), before, 'and nothing else');
  t.strictSame(await repairRules(world, 'running'), []);
});

t.test('a rule of a network that is gone leads a port of ours astray', async (t) => {
  const { host, world } = await start();
  const old =
    '! -i br-old -p udp -m udp --dport 8080 -j DNAT --to-destination 172.30.0.9:80'.replaceAll(
      'udp',
      'tcp',
    );
  await restoreOld(host, { 'nat DOCKER': old });
  host.links.links.set('br-old', { name: 'br-old', index: 98 } as never);
  t.strictSame(await repairRules(world, 'running'), [], "somebody's network");
  host.links.links.delete('br-old');
  t.strictSame(await repairRules(world, 'running'), [`delete nat DOCKER ${old}`]);
});

t.test('UDP flows that a stale rule has led astray are forgotten', async (t) => {
  const { host, world } = await start();
  const udp = `! -i ${bridge} -p udp -m udp --dport 5353 -j DNAT --to-destination 10.5.0.77:53`;
  await restoreOld(host, { 'nat DOCKER': udp });
  host.faults.calls.length = 0;
  await repairRules(world, 'running');
  t.equal(host.faults.calls.filter((call) => call === 'conntrack').length, 1);
});

t.test('while a record cannot be read nothing is taken for stale', async (t) => {
  const { host, world } = await start();
  await restoreOld(host, oldRules);
  const path = '/var/lib/tsbridge/networks/x';
  world.registry.unreadable.add({ kind: 'network', id: 'x', path, reason: 'torn' });
  t.strictSame(await repairRules(world, 'running'), []);
});

t.test('a repair of links that failed is tried again with the same links', async (t) => {
  const { host, world } = await start();
  const concern = new LinkConcern(world);
  const link = host.links.links.get(bridge);
  if (link !== undefined) host.links.links.set(bridge, { ...link, up: false });
  t.equal(concern.signs({ kind: 'link', name: bridge }), true);
  t.equal(concern.signs({ kind: 'link', name: 'eth0' }), false, 'none of ours');
  host.faults.plan('links.change', 'EBUSY');
  await t.rejects(concern.repair('quiet'), /EBUSY/);
  t.strictSame(await concern.repair('quiet'), [`set ${bridge} {"up":true}`]);
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
