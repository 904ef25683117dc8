/** The proxy process as a unit of its own. A command in the place of systemctl starts it as the unit says; test/vm has systemd. */
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = await import(
  'node:fs'
);
const { tmpdir } = await import('node:os');
const { dirname, join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const unit = readFileSync(join(repository, 'systemd', 'tsbridge-proxy@.service'), 'utf8');
const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
// Quoted for the shell: a clone's path may hold spaces.
const program = command
  .replace('/usr/local/lib/tsbridge/bin/node', `'${process.execPath}'`)
  .replace(/\/usr\/local\/lib\/tsbridge(\S*)/, (_all, below) => `'${repository}${below}'`);

const ids = { NetworkID: '6'.repeat(64), EndpointID: '6123456789abcdef'.repeat(4) };
const port = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 86, HostPortEnd: 86 };
const network = {
  NetworkID: ids.NetworkID,
  Options: { 'com.docker.network.generic': {} },
  IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.6.0.0/24', Gateway: '10.6.0.1/24' }],
  IPv6Data: [],
};
const calls: readonly (readonly [string, unknown])[] = [
  ['CreateNetwork', network],
  ['CreateEndpoint', { ...ids, Interface: { Address: '10.6.0.2/24' }, Options: {} }],
  ['Join', { ...ids, SandboxKey: '/var/run/docker/netns/x' }],
  ['ProgramExternalConnectivity', { ...ids, Options: { 'com.docker.network.portmap': [port] } }],
];

/** A host with a command `systemctl` whose `start` does that; each of its command lines is noted. */
function host(t: Tap, start: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const noted = join(folder, 'noted');
  const script = [
    '#!/bin/sh',
    `echo "$@" >>${noted}`,
    'number=$(basename "$2" .service | cut -d @ -f 2)',
    `case $1 in start) ${start};; esac`,
    '',
  ];
  writeFileSync(join(folder, 'systemctl'), script.join('\n'));
  chmodSync(join(folder, 'systemctl'), 0o755);
  const options = {
    args: ['--runtime-dir', '/run/tsbridge', '--proxy-unit', 'tsbridge-proxy@'],
    env: { PATH: `${folder}:${process.env.PATH}` },
  };
  let daemon: DaemonType | undefined;
  t.teardown(async () => {
    await daemon?.kill('SIGKILL');
    for (const pid of daemon?.proxyPids() ?? []) process.kill(pid, 'SIGKILL');
    for (const path of [folder, '/run/tsbridge']) rmSync(path, { recursive: true, force: true });
    run('ip', ['link', 'del', `br-${ids.NetworkID.slice(0, 12)}`]);
  });
  return {
    daemon: async () => {
      await daemon?.kill('SIGKILL');
      daemon = await Daemon.start(folder, options);
      return daemon;
    },
    asked: () => (existsSync(noted) ? readFileSync(noted, 'utf8').trim().split('\n') : []),
  };
}

type Tap = { teardown(work: () => Promise<void>): void };

async function publish(daemon: DaemonType): Promise<void> {
  for (const [method, body] of calls) {
    const { Err } = await daemon.call(method, body);
    if (Err !== undefined) throw new Error(`${method}: ${Err}`);
  }
}

const listens = () => run('ss', ['-Hlnt', 'sport', '=', ':86']).includes('LISTEN');
const parentOf = (pid: number) =>
  /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];

// As systemd: not a child of the daemon, with one capability from the beginning; ready when it listens.
const bounded = '--bounding-set=-all,+net_bind_service --inh-caps=-all --no-new-privs';
const asUnit = program.replace('%i', '$number');
const started = [
  `setsid -f setpriv ${bounded} ${asUnit} >/dev/null 2>&1 </dev/null`,
  // For 20 s at most: a test that is killed leaves nothing that waits for ever.
  'tries=1000',
  'until [ -e /run/tsbridge/proxy/$number ] || [ $((tries -= 1)) = 0 ]; do sleep 0.02; done',
].join('; ');

t.test('systemd starts the process, which the next daemon finds', async (t) => {
  const { daemon, asked } = host(t, started);
  const first = await daemon();
  await publish(first);
  t.ok(listens());
  t.same(asked(), ['start tsbridge-proxy@1.service']);
  const pids = first.proxyPids();
  t.equal(pids.length, 1);
  const [pid] = pids;
  if (pid === undefined) throw new Error('no proxy process');
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  for (const name of ['CapPrm', 'CapEff', 'CapBnd']) t.match(text, `${name}:\t0000000000000400`);
  const second = await daemon();
  t.same(second.proxyPids(), pids);
  t.same(asked().length, 1, 'and starts no other');
  t.notMatch(first.log + second.log, /"level":"(warn|error)"/);
  // It crashes: the daemon has systemd start another, under a number that is free for sure.
  process.kill(pid, 'SIGKILL');
  while (asked().length < 2 || !listens()) await sleep(50);
  t.equal(asked()[1], 'start tsbridge-proxy@2.service');
});

t.test('without the unit, the process is a child of the daemon', async (t) => {
  const words = 'Failed to start tsbridge-proxy@1.service: Unit tsbridge-proxy@.service not found.';
  const { daemon } = host(t, `echo "${words}" >&2; exit 5`);
  const one = await daemon();
  await publish(one);
  t.ok(listens());
  t.match(one.log, /"level":"warn".*Unit tsbridge-proxy@.service not found/);
  t.equal(parentOf(one.proxyPids()[0] ?? 0), String(one.pid));
});

t.test('a unit that runs already and does not listen is not waited for', async (t) => {
  const { daemon } = host(t, 'exit 0');
  const one = await daemon();
  await publish(one);
  t.ok(listens());
  t.match(one.log, /tsbridge-proxy@1.service runs and does not listen on/);
});
