/**
 * The real daemon on a real kernel dies at effects of every call; a sample of what
 * test/driver/crash.test.ts goes through in memory. `CRASH_ALL=1`: every effect (many minutes).
 */
import type { Daemon as DaemonType } from '../helpers/daemon.js';
import { inFreshNamespace, run } from '../helpers/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { isDeepStrictEqual } = await import('node:util');
const { Daemon, hostState } = await import('../helpers/daemon.js');

// /run/xtables.lock of our own.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);

const NetworkID = '5'.repeat(64);
const EndpointID = '0123456789abcdef'.repeat(4);
const ids = { NetworkID, EndpointID };
const ports = (...numbers: readonly number[]) => ({
  'com.docker.network.portmap': numbers.map((HostPort, index) => {
    const Proto = index % 2 === 0 ? 6 : 17;
    return { Proto, IP: '', Port: 80, HostIP: '', HostPort, HostPortEnd: HostPort };
  }),
});
const calls: readonly (readonly [string, unknown])[] = [
  [
    'CreateNetwork',
    {
      NetworkID,
      Options: { 'com.docker.network.generic': {} },
      IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' }],
      IPv6Data: [],
    },
  ],
  ['CreateEndpoint', { ...ids, Interface: { Address: '10.5.0.2/24' }, Options: {} }],
  ['Join', { ...ids, SandboxKey: '/var/run/docker/netns/x' }],
  ['ProgramExternalConnectivity', { ...ids, Options: ports(18080, 18053) }],
  ['RevokeExternalConnectivity', ids],
  ['Leave', ids],
  ['DeleteEndpoint', ids],
  ['DeleteNetwork', { NetworkID }],
];

const everyEffect = process.env.CRASH_ALL !== undefined;

/** The state, once it is `wanted` or has stopped changing. */
async function settled(folder: string, wanted: unknown): Promise<unknown> {
  for (let attempt = 0; ; attempt += 1) {
    const state = hostState(folder);
    if (attempt === 60 || isDeepStrictEqual(state, wanted)) return state;
    await sleep(50);
  }
}

/** Ends the proxy process that the daemons of this test have left. */
async function end(daemon: DaemonType): Promise<void> {
  await daemon.kill();
  for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
  rmSync(daemon.folder, { recursive: true, force: true });
}

t.test('dies at an effect, and the engine repeats the call', { timeout: 900_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  let daemon = await Daemon.start(folder);
  t.teardown(() => end(daemon));
  // The shared chains stay; what each call leads to, without a crash.
  const wanted: unknown[] = [];
  for (let round = 0; round < 2; round += 1) {
    wanted.length = 0;
    for (const [method, body] of calls) {
      t.notOk((await daemon.call(method, body)).Err, method);
      await sleep(300);
      wanted.push(hostState(folder));
    }
  }
  const nothing = wanted.at(-1);
  let all = 0;
  for (const [index, [method]] of calls.entries()) {
    let crashes = 0;
    for (let at = everyEffect ? 1 : 3; ; at += 1) {
      await daemon.kill();
      daemon = await Daemon.start(folder, { crashAt: at });
      for (const [earlier, body] of calls.slice(0, index)) await daemon.call(earlier, body);
      await settled(folder, wanted[index - 1] ?? nothing);
      daemon.process.kill('SIGUSR2');
      while (!daemon.log.includes('armed\n')) await sleep(10);
      const [, body] = calls[index] ?? [];
      const answer = await daemon.call(method, body).catch(() => undefined);
      // What goes on after the answer can be its death as well.
      await Promise.race([daemon.ended, ...(answer === undefined ? [] : [sleep(1_500)])]);
      const died = !daemon.alive;
      if (died) {
        crashes += 1;
        daemon = await Daemon.start(folder);
        const lost = await daemon
          .call(method, undefined)
          .catch((error) => ({ Err: String(error) }));
        t.match(lost, { Err: /no body/ }, `${method} ${at}: the retry has lost its body`);
        t.notOk((await daemon.call(method, body)).Err, `${method} ${at}: once more`);
      } else {
        await daemon.kill();
        daemon = await Daemon.start(folder);
      }
      t.same(await settled(folder, wanted[index]), wanted[index], `${method} ${at}`);
      for (const [next, rest] of calls.slice(index + 1)) {
        t.notOk((await daemon.call(next, rest)).Err, `${method} ${at}: then ${next}`);
      }
      t.same(await settled(folder, nothing), nothing, `${method} ${at}: nothing is left`);
      if (!died || !everyEffect) break;
    }
    t.comment(`${crashes} crashes in ${method}`);
    all += crashes;
  }
  t.ok(all > 4, `${all} crashes`);
});

t.test('the proxy process is killed: its sockets come back', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const daemon = await Daemon.start(folder);
  t.teardown(() => end(daemon));
  for (const [method, body] of calls.slice(0, 4)) await daemon.call(method, body);
  const before = hostState(folder);
  t.match(before.sockets.join('\n'), /:18080/);
  const [proxy] = daemon.proxyPids();
  if (proxy === undefined) throw new Error('no proxy process');
  const killed = Date.now();
  process.kill(proxy, 'SIGKILL');
  while (daemon.proxyPids().includes(proxy)) await sleep(5);
  t.same(await settled(folder, before), before);
  t.comment(`after ${Date.now() - killed} ms`);
  for (const [method, body] of calls.slice(6)) t.notOk((await daemon.call(method, body)).Err);
});

t.test('a second daemon on the same folder', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const daemon = await Daemon.start(folder);
  t.teardown(() => end(daemon));
  const second = Daemon.spawn(folder, { args: ['--socket', join(folder, 'other.sock')] });
  await second.ended;
  t.not(second.process.exitCode, 0);
  t.match(second.log, new RegExp(`process ${daemon.pid} uses this folder already`));
  t.match(await daemon.call('DeleteNetwork', { NetworkID }), {}, 'the first is not disturbed');
});
