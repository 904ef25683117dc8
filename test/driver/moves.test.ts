/** Rules that move: to another generation, to other settings of the daemon; also over a restart. */
import { createHash } from 'node:crypto';
import t from 'tap';
import type { GenerationName } from '../../src/core/generations/generation.js';
import { recover } from '../../src/driver/recover.js';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { startEngine } from '../fakes/engine-starts.js';
import { type FakeHost, makeHost } from '../fakes/fake-host.js';
import { endpointIds } from '../fakes/ids.js';

const id = (seed: string) => createHash('sha256').update(seed).digest('hex');
const networkId = id('a');
const endpointId = id('b');
const bridge = `br-${networkId.slice(0, 12)}`;

type Settings = Parameters<FakeHost['boot']>[0];

/** A driver on this host, recovered from whatever records it has. */
async function boot(host: FakeHost, generation: GenerationName | 'auto', settings?: Settings) {
  const { world, choice } = host.boot(settings, generation);
  await recover(world);
  const ids = endpointIds(networkId, endpointId);
  return { world, choice, driver: new CalledDriver(world, Promise.resolve()), ids };
}

/** A network with a container that publishes 8080 and 127.0.0.1:5353. */
async function populate(host: FakeHost, generation: GenerationName | 'auto', settings?: Settings) {
  host.sysctls.values.set('net/bridge/bridge-nf-call-iptables', '1');
  const booted = await boot(host, generation, settings);
  const { driver, ids } = booted;
  await driver.createNetwork({
    networkId,
    options: {},
    ipv4Data: [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
    ipv6Data: [],
  });
  await driver.createEndpoint({
    ...{ networkId, endpointId, address: '10.5.0.2/24', addressIpv6: '', mac: '' },
    options: {},
  });
  await driver.join(ids, '/run/docker/netns/1');
  const port = (Proto: number, HostIP: string, Port: number, HostPort: number) => ({
    ...{ Proto, IP: '', Port, HostIP, HostPort, HostPortEnd: HostPort },
  });
  await driver.publishPorts(ids, {
    'com.docker.network.portmap': [port(6, '', 80, 8080), port(17, '127.0.0.1', 53, 5353)],
  });
  return booted;
}

/**
 * Chain by chain. Not in order: heads are wherever the last engine has put them, and what two
 * generations have in common stays where it is. Without what is the administrator's.
 */
function rules(host: FakeHost): Record<string, readonly string[]> {
  const unordered = ['filter FORWARD', 'nat DOCKER', 'nat POSTROUTING'];
  return Object.fromEntries(
    Object.entries(host.firewall.dump())
      .filter(([chain]) => chain !== 'filter DOCKER-USER')
      .map(([chain, lines]) => [chain, unordered.includes(chain) ? lines.toSorted() : lines]),
  );
}

async function expected(generation: GenerationName, settings?: Settings) {
  const host = makeHost();
  await populate(host, generation, settings);
  return rules(host);
}

const generationOnRecord = (host: FakeHost): unknown => {
  const { text } = host.store.records.get(`network ${networkId}`) ?? { text: '{}' };
  return (JSON.parse(text) as { ruleSettings?: { generation?: unknown } }).ruleSettings?.generation;
};

t.test('the engine is updated and set back while the driver runs', async (t) => {
  const host = makeHost();
  await startEngine(host, 'docker20');
  const { world, driver, ids } = await populate(host, 'auto');
  t.equal(generationOnRecord(host), 'docker20');
  // The third time, 28 finds its own jumps there, from the first.
  for (const generation of ['docker28', 'docker20', 'docker28'] as const) {
    await startEngine(host, generation);
    const { length } = host.firewall.restores;
    await repairRules(world);
    t.equal(host.firewall.restores.length, length + 1, `${generation}: one commit`);
    t.same(rules(host), await expected(generation), generation);
    t.equal(generationOnRecord(host), generation);
    t.same(await repairRules(world), [], 'once');
  }
  await driver.revokePorts(ids);
  await driver.deleteEndpoint(ids);
  await driver.deleteNetwork(ids.networkId);
  t.notMatch(JSON.stringify(host.firewall.dump()), new RegExp(`${bridge}|10\\.5\\.0`));
});

t.test('the engine is updated or set back while the driver sleeps', async (t) => {
  for (const [before, after] of [
    ['docker20', 'docker28'],
    ['docker28', 'docker20'],
  ] as const) {
    const host = makeHost();
    await startEngine(host, before);
    await populate(host, 'auto');
    await startEngine(host, after);
    const { choice } = await boot(host, 'auto');
    t.equal(choice.current.name, after);
    t.same(rules(host), await expected(after), `${before} to ${after}`);
  }
});

t.test('FORWARD is emptied where a newer engine has been before', async (t) => {
  const host = makeHost();
  await startEngine(host, 'docker28');
  await host.firewall.restore(4, '*filter\n-A DOCKER-FORWARD -i docker0 -j ACCEPT\nCOMMIT\n');
  await startEngine(host, 'docker20');
  const { world, choice } = await populate(host, 'auto');
  const forward = host.firewall.rules('filter', 'FORWARD');
  const deletions = forward.map((rule) => `-D FORWARD ${rule}\n`).join('');
  await host.firewall.restore(4, `*filter\n${deletions}COMMIT\n`);
  await repairRules(world);
  t.equal(choice.current.name, 'docker20', 'its chains alone say nothing');
});

t.test('rules move when another generation is forced', async (t) => {
  const names = ['docker17', 'docker20', 'docker28', 'docker29'] as const;
  for (const before of names) {
    const host = makeHost();
    await populate(host, before);
    for (const after of names) {
      await boot(host, after);
      const found = rules(host);
      for (const [chain, lines] of Object.entries(await expected(after))) {
        // Jumps of the former one stay with its chains, which can be those of an engine.
        const own = (found[chain] ?? []).filter((line) => lines.includes(line));
        t.same(own, lines, `${before} to ${after}: ${chain}`);
      }
      const wanted = Object.values(await expected(after)).flat();
      const left = Object.values(found)
        .flat()
        .filter((line) => !wanted.includes(line));
      t.notMatch(left.join('\n'), new RegExp(`${bridge}|10\\.5\\.0`), `${before} to ${after}`);
    }
  }
});

t.test('rules do not move while an engine is just starting', async (t) => {
  const host = makeHost();
  await populate(host, 'auto');
  const chains = '-N DOCKER-ISOLATION-STAGE-1\n-N DOCKER-ISOLATION-STAGE-2\n';
  await host.firewall.restore(4, `*filter\n${chains}COMMIT\n`);
  await boot(host, 'auto');
  t.ok('filter DOCKER-ISOLATION-STAGE-2' in host.firewall.dump(), 'keeps the chains it has made');
});

t.test('rules move when the daemon starts with other settings', async (t) => {
  const tried: readonly NonNullable<Settings>[] = [
    { userlandProxy: false },
    { ipMasq: false },
    { allowDirectRouting: true },
    {},
  ];
  for (const generation of ['docker20', 'docker28'] as const) {
    const host = makeHost();
    await populate(host, generation);
    for (const settings of tried) {
      await boot(host, generation, settings);
      const found = rules(host);
      // The jump of OUTPUT is shared with the engine, whose settings should be the same.
      const { 'nat OUTPUT': _, ...wanted } = await expected(generation, settings);
      for (const [chain, lines] of Object.entries(wanted)) {
        t.same(found[chain]?.toSorted(), lines.toSorted(), `${generation} ${chain}`);
      }
    }
  }
});

t.test('a container ends while the daemon is told other settings', async (t) => {
  const host = makeHost();
  await populate(host, 'docker20');
  host.links.links.delete(`veth${endpointId.slice(0, 7)}`);
  await boot(host, 'docker20', { userlandProxy: false });
  t.notMatch(JSON.stringify(host.firewall.dump()), /10\.5\.0\.2/);
});

t.test('rules move to another generation even if that cannot be recorded', async (t) => {
  const host = makeHost();
  await startEngine(host, 'docker20');
  const { world } = await populate(host, 'auto');
  await startEngine(host, 'docker28');
  host.faults.plan('store.write', 'ENOSPC');
  await repairRules(world);
  t.same(rules(host), await expected('docker28'));
  t.ok(host.logged.some(({ message }) => message === 'recording a move failed'));
});

t.test("a network with settings of its own keeps them when the daemon's change", async (t) => {
  const label = (name: string) => ({
    options: { 'com.docker.network.generic': { [`tsbridge.${name}`]: 'false' } },
  });
  const create = async (name: string, settings?: Settings) => {
    const host = makeHost();
    const { driver } = await boot(host, 'docker20', settings);
    await driver.createNetwork({
      ...{ networkId, ...label(name) },
      ipv4Data: [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
      ipv6Data: [],
    });
    return host;
  };
  const proxy = await create('userland_proxy');
  t.match(JSON.stringify(proxy.firewall.dump()), /--src-type LOCAL -j MASQUERADE/);
  t.equal(proxy.sysctls.values.get(`net/ipv4/conf/${bridge}/route_localnet`), '1');
  const rulesOff = await create('iptables');
  t.same(rulesOff.firewall.dump()['nat POSTROUTING'] ?? [], []);
  const forward = await create('ip_forward');
  t.equal(forward.sysctls.values.get('net/ipv4/ip_forward'), '0');
  t.not(forward.firewall.policy('FORWARD'), 'DROP');
});

t.test('a network that needs br_netfilter is refused where the kernel has none', async (t) => {
  const create = async (settings: Settings, generation: GenerationName) => {
    const host = makeHost();
    const { driver } = await boot(host, generation, settings);
    const labels = { 'com.docker.network.bridge.enable_icc': 'false' };
    const made = driver.createNetwork({
      networkId,
      options: { 'com.docker.network.generic': labels },
      ipv4Data: [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
      ipv6Data: [],
    });
    return { host, made };
  };
  const before = await create({}, 'docker20');
  await t.rejects(before.made, {
    code: 'sysctl-failed',
    message: /cannot restrict inter-container communication: please ensure that br_netfilter/,
  });
  t.ok(before.host.faults.calls.includes('load br_netfilter'), 'it was tried');
  await t.rejects((await create({}, 'docker28')).made, {
    message: /cannot restrict inter-container communication or run without the userland proxy: /,
  });
  const ignored = await create({ ignoreBrNetfilterError: true }, 'docker28');
  await ignored.made;
  t.match(ignored.host.logged.find(({ level }) => level === 'warn')?.message, /br_netfilter/);
});

t.test(
  'what goes between an update of the engine and the repair leaves nothing of the old words',
  async (t) => {
    const calls = {
      ports: ({ driver, ids }: Awaited<ReturnType<typeof boot>>) => driver.revokePorts(ids),
      endpoint: ({ driver, ids }: Awaited<ReturnType<typeof boot>>) => driver.deleteEndpoint(ids),
      network: ({ driver, ids }: Awaited<ReturnType<typeof boot>>) =>
        driver.deleteNetwork(ids.networkId),
    };
    for (const [what, call] of Object.entries(calls)) {
      const left = async (seenBefore: boolean) => {
        const host = makeHost();
        await startEngine(host, 'docker20');
        const booted = await populate(host, 'auto');
        await startEngine(host, 'docker28');
        // As `tsbridge status` does, or a repair that waits for a quiet moment.
        if (seenBefore) await repairRules(booted.world, 'dry-run');
        await call(booted);
        await repairRules(booted.world, 'running');
        await booted.world.removals.idle();
        return rules(host);
      };
      t.same(await left(true), await left(false), what);
    }
  },
);
