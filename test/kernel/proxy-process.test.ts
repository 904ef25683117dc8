/** The proxy process of the real daemon: what it may do, and what becomes of it when it hangs or is updated. */

import type { Status } from '../../src/operator/status.js';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { itemOf } from '../process/documents.js';
import { inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn, spawnSync } = await import('node:child_process');
const { default: events } = await import('node:events');
const { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } =
  await import('node:fs');
const { connect, createServer } = await import('node:net');
const { tmpdir } = await import('node:os');
const { dirname, join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');
const { nodeFlags } = await import('../process/node-flags.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const command = join(repository, 'dist', 'main.js');

const NetworkID = '5'.repeat(64);
const endpointOf = (index: number) => ({
  NetworkID,
  EndpointID: `${index}123456789abcdef`.repeat(4),
});
const network = {
  NetworkID,
  Options: { 'com.docker.network.generic': {} },
  IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' }],
  IPv6Data: [],
};

async function must(daemon: DaemonType, method: string, body: unknown): Promise<void> {
  const { Err } = await daemon.call(method, body);
  if (Err !== undefined) throw new Error(`${method}: ${Err}`);
}

/** An endpoint with the address 10.5.0.2, and one published port if there is one. */
async function attach(daemon: DaemonType, index: number, hostPort?: number): Promise<unknown> {
  const ids = endpointOf(index);
  await must(daemon, 'CreateEndpoint', {
    ...ids,
    Interface: { Address: '10.5.0.2/24' },
    Options: {},
  });
  await must(daemon, 'Join', { ...ids, SandboxKey: '/var/run/docker/netns/x' });
  if (hostPort === undefined) return undefined;
  const port = {
    Proto: 6,
    IP: '',
    Port: 80,
    HostIP: '',
    HostPort: hostPort,
    HostPortEnd: hostPort,
  };
  const { Err } = await daemon.call('ProgramExternalConnectivity', {
    ...ids,
    Options: { 'com.docker.network.portmap': [port] },
  });
  return Err;
}

async function detach(daemon: DaemonType, index: number): Promise<void> {
  for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint']) {
    await must(daemon, method, endpointOf(index));
  }
}

async function start(t: Tap): Promise<DaemonType> {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const daemon = await Daemon.start(folder);
  t.teardown(() => end(daemon));
  await must(daemon, 'CreateNetwork', network);
  return daemon;
}

type Tap = { teardown(work: () => Promise<void>): void };

async function end(daemon: DaemonType): Promise<void> {
  if (!daemon.alive) process.stderr.write(daemon.log.slice(-3000));
  await daemon.kill();
  for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
  rmSync(daemon.folder, { recursive: true, force: true });
  // What one test leaves is not in the way of the next; a veth goes with its other end.
  for (const { ifname } of ipJson('link')) {
    if (/^(?:br-|veth)/.test(String(ifname))) spawnSync('ip', ['link', 'del', String(ifname)]);
  }
}

async function proxyOf(daemon: DaemonType): Promise<number> {
  for (;;) {
    const [pid] = daemon.proxyPids();
    if (pid !== undefined) return pid;
    await sleep(20);
  }
}

async function status(daemon: DaemonType): Promise<Status> {
  const args = [command, 'status', '--json', '--runtime-dir', join(daemon.folder, 'run')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += String(chunk);
  });
  await events.once(child, 'close');
  return itemOf(text);
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.on('close', () => undefined).unref();
  });

t.test('every thread of the proxy process has one capability, and can gain none', async (t) => {
  const daemon = await start(t);
  t.notOk(await attach(daemon, 1, 81), 'a port below 1024');
  const pid = await proxyOf(daemon);
  t.match(await status(daemon), { proxy: { pid, listeners: 2 }, degraded: [] });
  const threads = readdirSync(`/proc/${pid}/task`);
  t.ok(threads.length > 1, `${threads.length} threads`);
  for (const thread of threads) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
    const bindsPorts = '0000000000000400';
    for (const name of ['CapPrm', 'CapEff', 'CapBnd']) {
      t.match(text, new RegExp(`^${name}:\\s+${bindsPorts}$`, 'm'), name);
    }
    t.match(text, /^CapInh:\s+0+$/m);
    t.match(text, /^CapAmb:\s+0+$/m);
    t.match(text, /^NoNewPrivs:\s+1$/m);
  }
});

t.test('SIGUSR1 opens no debugger, and ends neither daemon nor proxy nor command', async (t) => {
  const daemon = await start(t);
  const proxy = await proxyOf(daemon);
  const mute = createServer();
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mute.listen(join(folder, 'admin.sock'));
  const args = [...nodeFlags, command, 'status', '--runtime-dir', folder];
  const waiting = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], env: {} });
  await events.once(mute, 'connection');
  for (const pid of [daemon.pid, proxy, waiting.pid ?? 0]) process.kill(pid, 'SIGUSR1');
  t.notOk(await attach(daemon, 1, 8081));
  t.equal(waiting.exitCode ?? waiting.signalCode, null);
  t.same(daemon.proxyPids(), [proxy]);
  // A process that does open it: by then the others would have.
  const script = 'console.log(1); setInterval(() => {}, 1000)';
  const plain = spawn(process.execPath, ['-e', script], { env: {} });
  t.teardown(async () => void plain.kill('SIGKILL'));
  await events.once(plain.stdout, 'data');
  plain.kill('SIGUSR1');
  const debuggers = () => run('ss', ['-Hlntp', 'sport', '=', ':9229']);
  while (debuggers() === '') await sleep(50);
  t.match(debuggers(), new RegExp(`pid=${plain.pid},`));
  waiting.kill('SIGKILL');
  mute.close();
});

t.test('a port whose publishing failed never exposes the container that comes after', async (t) => {
  const daemon = await start(t);
  t.notOk(await attach(daemon, 1, 9_301));
  const before = await proxyOf(daemon);
  process.kill(before, 'SIGSTOP');
  const publishing = attach(daemon, 2, 9_300);
  const meanwhile = await status(daemon);
  t.ok(
    meanwhile.degraded.join() !== '' || meanwhile.proxy?.pid !== before,
    'the truth, or already over',
  );
  const failed = await publishing;
  if (daemon.proxyPids().includes(before)) process.kill(before, 'SIGCONT');
  if (failed === undefined) t.ok(await isOpen(9_300), 'it has not failed: another process has it');
  await detach(daemon, 2);
  await attach(daemon, 3);
  const after = await status(daemon);
  t.same([await isOpen(9_300), await isOpen(9_301)], [false, true]);
  t.match(after, { proxy: { listeners: 2 }, drift: { count: 0 }, degraded: [] });
});

t.test('a second daemon with the same runtime folder does not start', async (t) => {
  const daemon = await start(t);
  const other = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(other, { recursive: true }));
  const second = Daemon.spawn(other, { args: ['--runtime-dir', join(daemon.folder, 'run')] });
  await second.ended;
  t.not(second.process.exitCode, 0);
  t.match(second.log, new RegExp(`process ${daemon.pid} uses this folder already.*--runtime-dir`));
  t.notOk(await attach(daemon, 1, 8_082), 'the first is not disturbed');
});

t.test(
  'after an update the next daemon moves the ports to a process of its own build',
  async (t) => {
    const daemon = await start(t);
    t.notOk(await attach(daemon, 1, 8_083));
    const old = await proxyOf(daemon);
    const { build } = await status(daemon);
    let stopped = false;
    let asked = 0;
    let refused = 0;
    const client = (async () => {
      while (!stopped) {
        asked += 1;
        if (!(await isOpen(8_083))) refused += 1;
        await sleep(1);
      }
    })();
    await daemon.kill();
    const updated = await Daemon.start(daemon.folder, { program: otherBuild(t) });
    t.teardown(() => updated.kill());
    const now = await status(updated);
    stopped = true;
    await client;
    t.not(now.build, build);
    t.match(now, { proxy: { build: now.build, listeners: 2 }, degraded: [], drift: { count: 0 } });
    t.not(now.proxy?.pid, old);
    t.equal(refused, 0, `of ${asked} connections, one after the other`);
    while (updated.proxyPids().includes(old)) await sleep(50);
    await detach(updated, 1);
    t.notOk(await isOpen(8_083));
    await updated.kill();
  },
);

/** The same program, with another id in it. */
function otherBuild(t: Tap): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-dist-'));
  t.teardown(async () => rmSync(folder, { recursive: true }));
  cpSync(join(repository, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(repository, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  let changed = 0;
  for (const name of readdirSync(join(folder, 'dist'))) {
    if (!name.endsWith('.js')) continue;
    const path = join(folder, 'dist', name);
    const text = readFileSync(path, 'utf8');
    const other = text.replace(/buildId="[0-9a-f]{12}"/, 'buildId="0123456789ab"');
    if (other !== text) changed += 1;
    writeFileSync(path, other);
  }
  if (changed !== 1) throw new Error(`the id is in ${changed} files`);
  return join(folder, 'dist', 'main.js');
}
