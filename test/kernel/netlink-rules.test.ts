/** The real daemon writes rules by netlink: the same ones, and nothing is left of what it learnt from. */
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('iptables-nft')) {
  t.plan(0, 'needs iptables-nft');
  process.exit(0);
}
const { createHash } = await import('node:crypto');
const { spawnSync } = await import('node:child_process');
const { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } = await import(
  'node:fs'
);
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');
type Running = Awaited<ReturnType<typeof Daemon.start>>;

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
// Else the daemon switches it on, and FORWARD's policy to DROP, once.
for (const name of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) {
  run('sysctl', ['-qw', `${name}=1`]);
}
const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const idsOf = (number: number, endpoint = 0) => ({
  NetworkID: String(number).repeat(64),
  EndpointID: createHash('sha256').update(`${number} ${endpoint}`).digest('hex'),
});

async function call(daemon: Running, method: string, body: object): Promise<void> {
  const { Err } = await daemon.call(method, body);
  if (Err !== undefined && Err !== '') throw new Error(`${method}: ${Err}`);
}

async function createNetwork(daemon: Running, number: number): Promise<void> {
  const space = { AddressSpace: 'local' };
  await call(daemon, 'CreateNetwork', {
    ...idsOf(number),
    Options: { 'com.docker.network.enable_ipv6': true, 'com.docker.network.generic': {} },
    IPv4Data: [{ ...space, Pool: `10.${number}.0.0/24`, Gateway: `10.${number}.0.1/24` }],
    IPv6Data: [{ ...space, Pool: `fd00:${number}::/64`, Gateway: `fd00:${number}::1/64` }],
  });
}

async function publish(daemon: Running, number: number, endpoint: number): Promise<void> {
  const ids = idsOf(number, endpoint);
  const host = endpoint + 2;
  const Interface = {
    Address: `10.${number}.0.${host}/24`,
    AddressIPv6: `fd00:${number}::${host}/64`,
    MacAddress: '',
  };
  const port = 8_000 + number * 100 + endpoint;
  const portmap = [6, 17].map((Proto) => {
    return { Proto, IP: '', Port: 80, HostIP: '', HostPort: port, HostPortEnd: port };
  });
  await call(daemon, 'CreateEndpoint', { ...ids, Interface, Options: {} });
  await call(daemon, 'Join', { ...ids, SandboxKey: `/run/docker/netns/${endpoint}`, Options: {} });
  const Options = { 'com.docker.network.portmap': portmap };
  await call(daemon, 'ProgramExternalConnectivity', { ...ids, Options });
}

async function release(daemon: Running, number: number, endpoint: number): Promise<void> {
  for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint']) {
    await call(daemon, method, idsOf(number, endpoint));
  }
}

const saved = (): string =>
  ['iptables-nft-save', 'ip6tables-nft-save']
    .map((program) =>
      run(program, [])
        .replace(/^#.*\n/gm, '')
        .replace(/\[\d+:\d+\]/g, ''),
    )
    .join('');

/** The rules once nobody changes them and the daemon has nothing to repair: a rule of others' on top leads to a repair. */
async function settled(): Promise<string> {
  for (let last = saved(); ; ) {
    await sleep(1_000);
    const now = saved();
    if (now === last && status().drift.count === 0) return now;
    last = now;
  }
}

/** What the daemon counts of changes by others. */
function foreignChanges(): string[] {
  const args = [main, 'metrics', '--runtime-dir', join(folder, 'run')];
  const env = { PATH: process.env.PATH ?? '' };
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  return stdout.split('\n').filter((line) => line.startsWith('tsbridge_foreign_changes_total{'));
}

interface Status {
  readonly ruleCommits: {
    readonly netlink: { readonly commits: number };
    readonly restore: { readonly commits: number };
    readonly lastRestore?: string;
  };
  readonly drift: { readonly count: number };
  readonly degraded: readonly string[];
}

function status(): Status {
  const args = [main, 'status', '--json', '--runtime-dir', join(folder, 'run')];
  const env = { PATH: process.env.PATH ?? '' };
  const told = JSON.parse(spawnSync(process.execPath, args, { encoding: 'utf8', env }).stdout);
  return told.items?.[0] ?? told;
}

/** Publishes and releases until that goes by netlink: the daemon learns beside everything else. */
async function untilLearnt(daemon: Running): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const before = status().ruleCommits.restore.commits;
    await publish(daemon, 1, 9);
    await release(daemon, 1, 9);
    if (status().ruleCommits.restore.commits === before) return;
    await sleep(50);
  }
  throw new Error(`rules are still written by iptables-restore: ${JSON.stringify(status())}`);
}

/** Networks and ports as some calls leave them, and what iptables lists then. */
async function history(
  args: readonly string[],
): Promise<{ listed: string; status: Status; foreign: string[] }> {
  const daemon = await Daemon.start(folder, { args });
  try {
    for (const number of [1, 2]) await createNetwork(daemon, number);
    await publish(daemon, 1, 0);
    if (!args.includes('restore')) await untilLearnt(daemon);
    // One after the other: of calls at the same time, any may be the first.
    for (const endpoint of [1, 2, 3]) await publish(daemon, 1, endpoint);
    await createNetwork(daemon, 3);
    await publish(daemon, 2, 0);
    await release(daemon, 1, 2);
    run('iptables-nft', ['-I', 'FORWARD', '-s', '192.0.2.1', '-j', 'ACCEPT']);
    await createNetwork(daemon, 4);
    await publish(daemon, 4, 0);
    const all = { listed: await settled(), status: status(), foreign: foreignChanges() };
    for (const [number, endpoint] of [
      [1, 0],
      [1, 1],
      [1, 3],
      [2, 0],
      [4, 0],
    ] as const) {
      await release(daemon, number, endpoint);
    }
    for (const number of [1, 2, 3, 4]) await call(daemon, 'DeleteNetwork', idsOf(number));
    return { ...all, listed: `${all.listed}${saved()}` };
  } finally {
    await daemon.kill();
    for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    run('nft', ['flush', 'ruleset']);
  }
}

for (const generation of ['docker20', 'docker28'] as const) {
  t.test(`${generation}: every rule at its place, as iptables-restore writes them`, async (t) => {
    const args = ['--firewall-generation', generation, '--ip6tables=true', '--rule-backend'];
    const [own, restored] = [await history([...args, 'auto']), await history([...args, 'restore'])];
    const sorted = ({ listed }: typeof own): string[] => listed.split('\n');
    t.strictSame(sorted(own), sorted(restored));
    t.notMatch(own.listed, /PROBE/);
    t.ok(own.status.ruleCommits.netlink.commits > 5, JSON.stringify(own.status.ruleCommits));
    t.equal(restored.status.ruleCommits.netlink.commits, 0);
    t.match(own.status, { drift: { count: 0 }, degraded: [] });
    t.equal(own.foreign.length, 1, 'what it learns from is no change by others');
    t.match(own.foreign, [/program="other".* 1$/]);
  });
}

t.test('a daemon that dies while iptables writes examples', async (t) => {
  const programs = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(programs, { recursive: true }));
  const real = run('which', ['iptables-nft-restore']).trim();
  const writeProgram = (pause: number): void => {
    const file = join(programs, 'iptables-nft-restore');
    rmSync(file, { force: true });
    // Only the examples come without a time to wait for the lock.
    const wait = `case "$*" in *-w*) ;; *) touch ${programs}/asked; sleep ${pause} ;; esac`;
    writeFileSync(file, `#!/bin/sh\n${wait}\nexec ${real} "$@"\n`);
    chmodSync(file, 0o755);
  };
  writeProgram(0.5);
  const env = { PATH: `${programs}:${process.env.PATH}` };
  const daemon = await Daemon.start(folder, { env, args: ['--rule-backend', 'auto'] });
  await createNetwork(daemon, 1);
  while (!existsSync(join(programs, 'asked'))) await sleep(10);
  await daemon.kill('SIGKILL');
  await sleep(1_000);
  t.notMatch(saved(), /PROBE/, 'one transaction, whoever sees its end');
  const next = await Daemon.start(folder, { env, args: ['--rule-backend', 'auto'] });
  t.teardown(() => next.kill());
  await untilLearnt(next);
  writeProgram(0);
  const { restore } = status().ruleCommits;
  await publish(next, 1, 0);
  t.ok(
    status().ruleCommits.restore.commits > restore.commits,
    'another iptables is learnt from anew',
  );
  await untilLearnt(next);
  t.notMatch(saved(), /PROBE/);
  await release(next, 1, 0);
  await call(next, 'DeleteNetwork', idsOf(1));
  for (const pid of next.proxyPids()) process.kill(pid, 'SIGKILL');
});
