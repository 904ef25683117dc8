/** What an operator is told, and can do. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { recover } from '../../src/driver/recover.js';
import type { RepairStatus } from '../../src/driver/repair/self-repair.js';
import { type Facts, HostOperator } from '../../src/operator/status.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { makeHost } from '../fakes/fake-host.js';

const facts: Facts = {
  version: '0.1.0',
  build: 'a1b2',
  node: 'v24.0.0',
  iptables: 'nft',
  ip6tables: 'off',
  ruleBackend: 'auto',
  ruleCommits: null,
  proxy: null,
  longestStallMs: 0,
  names: { from: 'docker', asOf: '2026-11-21T01:00:00.000Z', stale: false },
  forgotten: [],
  problems: [],
};
const idle = { repairs: {}, last: undefined, steppedBack: false };
const repairs: RepairStatus = {
  rules: idle,
  links: idle,
  settings: idle,
  zones: idle,
  ports: idle,
};
const networkId = createHash('sha256').update('a').digest('hex');

async function start(found: Partial<Facts> = {}, status = repairs) {
  const host = makeHost();
  const { world } = host.boot();
  const recovered = recover(world);
  const operator = new HostOperator(
    world,
    () => status,
    async () => ({ ...facts, ...found }),
    recovered,
  );
  const early = await operator.status();
  await recovered;
  await new CalledDriver(world, recovered).createNetwork({
    networkId,
    options: { 'com.docker.network.generic': {} },
    ipv4Data: [{ pool: '10.5.0.0/24', gateway: '10.5.0.1/24' }],
    ipv6Data: [],
  });
  return { host, world, operator, early };
}

t.test('the status of a sound daemon has nothing degraded', async (t) => {
  const { operator, early } = await start();
  t.match(early, { state: 'recovering', drift: { count: 0 }, degraded: [] });
  const { problems, ...rest } = facts;
  t.match(await operator.status(), {
    ...rest,
    pid: process.pid,
    startedAt: /^\d{4}-\d\d-\d\dT/,
    state: 'serving',
    generation: 'docker20',
    networks: 1,
    endpoints: 0,
    testNetworks: 0,
    publishedPorts: 0,
    repairs,
    drift: { count: 0, first: [] },
    degraded: [],
  });
});

t.test('drift is told, and gone after a reconciliation', async (t) => {
  const { host, operator } = await start();
  const before = host.firewall.dump();
  host.firewall.flush();
  const link = host.links.links.get(`br-${networkId.slice(0, 12)}`);
  if (link !== undefined) host.links.links.set(link.name, { ...link, up: false });
  const { drift } = await operator.status();
  t.ok(drift.count > 10);
  t.equal(drift.first.length, 10);
  const planned = await operator.reconcile(true);
  t.equal((planned.changes.rules ?? []).length + (planned.changes.links ?? []).length, drift.count);
  t.strictSame(planned.changes.links, [`set ${link?.name} {"up":true}`]);
  t.strictSame(await operator.reconcile(false), { ...planned, dryRun: false });
  t.strictSame(host.firewall.dump(), before);
  t.strictSame((await operator.status()).drift, { count: 0, first: [] });
});

t.test('the status names what is degraded', async (t) => {
  const { host, world, operator } = await start(
    { problems: [{ reason: 'ip6tables-missing', text: 'no ip6tables' }] },
    { ...repairs, links: { ...idle, steppedBack: true } },
  );
  world.registry.unreadable.add({
    kind: 'network',
    id: 'f'.repeat(64),
    path: '/x.json',
    reason: 'reading /x.json: not JSON',
  });
  host.firewall.read = async () => {
    throw new Error('no memory');
  };
  t.match((await operator.status()).degraded, [
    'no ip6tables',
    /^repairs of links keep being undone/,
    /^cannot compare the host .*no memory/,
    'reading /x.json: not JSON',
  ]);
});

t.test('a network on the host’s way out is told, with what to do', async (t) => {
  const { host, world, operator } = await start();
  const own = `br-${networkId.slice(0, 12)}`;
  host.neighbours.defaultRoute = own;
  const told = (evidence: string) =>
    `network ${evidence}, and its rules drop what other networks send out there: remove it and make it again with ` +
    '-o tsbridge.bridge=unmanaged (tsbridge doctor network-on-uplink)';
  const leaves = told(
    `${networkId.slice(0, 12)} (${own}): the host's default route leaves by ${own}`,
  );
  t.strictSame((await operator.status()).degraded, [leaves]);
  t.strictSame(await operator.problems(), [{ reason: 'network-on-uplink', text: leaves }]);
  host.neighbours.defaultRoute = 'eth0';
  t.strictSame(await operator.problems(), []);

  const lan = {
    ...{ index: 3, name: 'br-lan', kind: 'bridge', up: true, mtu: 1500 },
    ...{ master: undefined, hairpin: undefined, addresses: [] },
  };
  host.links.links.set('br-lan', lan);
  const create = (id: string, subnet: number, labels: Record<string, string>) =>
    new CalledDriver(world, Promise.resolve()).createNetwork({
      networkId: id.repeat(64),
      options: {
        'com.docker.network.generic': { 'com.docker.network.bridge.name': 'br-lan', ...labels },
      },
      ipv4Data: [{ pool: `10.${subnet}.0.0/24`, gateway: `10.${subnet}.0.1/24` }],
      ipv6Data: [],
    });
  await create('c', 6, {});
  t.strictSame(await operator.problems(), [], 'a bridge without a NIC');
  host.links.links.set('eth0', { ...lan, index: 4, name: 'eth0', kind: undefined, master: 3 });
  const carries = told('cccccccccccc (br-lan): br-lan carries eth0');
  t.match(await operator.problems(), [{ text: carries }]);
  host.links.portsOf = async () => {
    throw new Error('no answer');
  };
  t.strictSame(await operator.problems(), [], 'what cannot be read is left out');
});

t.test('the status says that recovery failed', async (t) => {
  const host = makeHost();
  const { world } = host.boot();
  const failed = Promise.reject(new Error('EIO'));
  const operator = new HostOperator(
    world,
    () => repairs,
    async () => facts,
    failed,
  );
  await failed.catch(() => {});
  t.match(await operator.status(), {
    state: 'failed',
    drift: { count: 0 },
    degraded: [/^recovery failed/],
  });
  await t.rejects(operator.reconcile(true), /EIO/);
});
