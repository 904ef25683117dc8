/** The real daemon beside rules that `nft` has written into iptables' own tables. */
import { itemOf } from '../process/documents.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('nft') || !isInstalled('iptables-nft')) {
  t.plan(0, 'needs nft and iptables-nft');
  process.exit(0);
}
const { spawnSync } = await import('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');
type Running = Awaited<ReturnType<typeof Daemon.start>>;

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const id = (letter: string) => letter.repeat(64);
/** Network 5 is 10.5.0.0/24 on br-555555555555, its endpoint 10.5.0.2. */
const idsOf = (number: number) => ({
  NetworkID: id(String(number)),
  EndpointID: `${number}123456789abcdef`.repeat(4),
});

async function call(daemon: Running, method: string, body: object): Promise<void> {
  const { Err } = await daemon.call(method, body);
  if (Err !== undefined && Err !== '') throw new Error(`${method}: ${Err}`);
}

async function createNetwork(daemon: Running, number: number): Promise<void> {
  const pool = {
    AddressSpace: 'local',
    Pool: `10.${number}.0.0/24`,
    Gateway: `10.${number}.0.1/24`,
  };
  await call(daemon, 'CreateNetwork', {
    ...idsOf(number),
    Options: { 'com.docker.network.generic': {} },
    IPv4Data: [pool],
    IPv6Data: [],
  });
}

async function createContainer(daemon: Running, number: number, hostPort: number): Promise<void> {
  const ids = idsOf(number);
  const port = { Proto: 6, IP: '', Port: 80, HostIP: '127.0.0.1' };
  const portmap = [{ ...port, HostPort: hostPort, HostPortEnd: hostPort }];
  const Interface = { Address: `10.${number}.0.2/24`, AddressIPv6: '', MacAddress: '' };
  await call(daemon, 'CreateEndpoint', { ...ids, Interface, Options: {} });
  await call(daemon, 'Join', { ...ids, SandboxKey: `/run/docker/netns/${number}`, Options: {} });
  const Options = { 'com.docker.network.portmap': portmap };
  await call(daemon, 'ProgramExternalConnectivity', { ...ids, Options });
}

async function remove(daemon: Running, number: number): Promise<void> {
  const ids = idsOf(number);
  for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint', 'DeleteNetwork']) {
    await call(daemon, method, ids);
  }
}

const listing = () =>
  run('nft', ['list', 'table', 'ip', 'filter']) + run('nft', ['list', 'table', 'ip', 'nat']);
const chain = (table: string, name: string) => run('nft', ['list', 'chain', 'ip', table, name]);

function status(): { degraded: string[]; drift: { count: number }; iptables: string } {
  const args = [main, 'status', '--json', '--runtime-dir', join(folder, 'run')];
  const env = { PATH: process.env.PATH ?? '' };
  return itemOf(spawnSync(process.execPath, args, { encoding: 'utf8', env }).stdout);
}

const logs = 'log prefix "mine"';
/** Past which iptables finds no rule to delete. */
const states = 'ct state established accept';
const cases = [
  ['docker20', 'filter', 'DOCKER-USER', states],
  ['docker20', 'filter', 'FORWARD', states],
  ['docker28', 'filter', 'FORWARD', states],
  ['docker28', 'filter', 'DOCKER', logs],
  ['docker28', 'nat', 'DOCKER', states],
  ['docker28', 'nat', 'DOCKER', logs],
] as const;

/** By netlink each of them; by iptables-restore alone one of each kind. */
const runs = cases.flatMap((each, index) => [
  { each, backend: 'auto' },
  ...(index === 1 || index === 5 ? [{ each, backend: 'restore' }] : []),
]);

for (const { each, backend } of runs) {
  const [generation, table, name, native] = each;
  t.test(`${generation}, ${backend}: insert rule ip ${table} ${name} ${native}`, async (t) => {
    run('nft', ['flush', 'ruleset']);
    const args = ['--firewall-generation', generation, '--rule-backend', backend];
    const start = async (): Promise<Running> => {
      const started = await Daemon.start(folder, { args });
      t.teardown(() => started.kill());
      return started;
    };
    let daemon = await start();
    await createNetwork(daemon, 5);
    await createContainer(daemon, 5, 8005);
    const comment = [
      '-m',
      'comment',
      '--comment',
      'a "\n-A FORWARD -j DOCKER-USER',
      '-j',
      'ACCEPT',
    ];
    run('iptables-nft', ['-A', 'INPUT', ...comment]);
    run('nft', ['insert', 'rule', 'ip', table, name, ...native.split(' ')]);
    t.match(run('iptables-nft-save', []), `Table \`${table}' is incompatible`);

    await createNetwork(daemon, 6);
    await createContainer(daemon, 6, 8006);
    t.match(chain('nat', 'DOCKER'), /127\.0\.0\.1 .*dport 8006/, 'ports are published');
    const { degraded, drift } = status();
    t.match(degraded, [new RegExp(`chain ${name} of table ${table} holds rules .* 'nft'`)]);
    t.equal(drift.count, 0, 'and what cannot be compared is no drift');
    const forward = chain('filter', 'FORWARD');
    const user = forward.indexOf('jump DOCKER-USER');
    const ours = forward.indexOf('oifname "br-666666666666"');
    if (generation === 'docker20') t.ok(user >= 0 && user < ours, 'below DOCKER-USER');
    t.equal(forward.match(/jump DOCKER-USER/g)?.length, 1);

    await remove(daemon, 6);
    t.notMatch(listing(), /br-666666666666|10\.6\.0\.|dport 8006/, 'nothing of it is left');
    await daemon.kill();

    daemon = await start();
    t.equal(status().iptables, 'nft');
    await createNetwork(daemon, 7);
    await createContainer(daemon, 7, 8007);
    t.match(chain('nat', 'DOCKER'), /dport 8007/, 'also after a start');
    await remove(daemon, 7);
    t.notMatch(listing(), /br-777777777777|10\.7\.0\.|dport 8007/);
    t.equal(daemon.log.match(/"level":"warn"[^\n]*written by 'nft'/g)?.length, 1, 'told once');

    // Of rules from before the start no handle is known.
    const gone = await remove(daemon, 5).then(
      () => 'gone',
      (error: Error) => error.message,
    );
    const [first = ''] = native.split(' ');
    if (gone === 'gone') t.notMatch(listing(), /br-555555555555|10\.5\.0\.|dport 8005/);
    else {
      t.equal(first, 'ct', 'which iptables cannot get past');
      t.match(gone, new RegExp(`chain ${name} of table ${table} holds rules .* another name`));
    }
    t.match(chain(table, name), new RegExp(first), "the administrator's rule stays");
    run('nft', ['flush', 'chain', 'ip', table, name]);
    await remove(daemon, 5);
    t.notMatch(listing(), /br-555555555555|10\.5\.0\.|dport 8005/, 'once it is gone, all goes');
    t.same(status().degraded, []);
    await daemon.kill();
  });
}

t.test('all rules were written again by iptables-restore-translate', async (t) => {
  run('nft', ['flush', 'ruleset']);
  const args = ['--firewall-generation', 'docker28'];
  const daemon = await Daemon.start(folder, { args });
  t.teardown(() => daemon.kill());
  await createNetwork(daemon, 5);
  const dump = join(folder, 'dump');
  writeFileSync(dump, run('iptables-nft-save', []));
  const script = run('iptables-restore-translate', ['-f', dump]);
  run('nft', ['flush', 'ruleset']);
  run('nft', ['-f', '-'], script);
  t.match(run('iptables-nft-save', []), 'is incompatible');

  await createNetwork(daemon, 6);
  await createContainer(daemon, 6, 8006);
  t.match(chain('nat', 'DOCKER'), /127\.0\.0\.1 .*dport 8006/);
  await remove(daemon, 6);
  t.notMatch(listing(), /br-666666666666|10\.6\.0\.|dport 8006/);
  await remove(daemon, 5);
});
