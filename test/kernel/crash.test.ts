/**
 * The real daemon on a real kernel dies at every fifth place before or after an effect of a call, or
 * of a repair; then the engine goes on. `CRASH_ALL=1`: at every place. At some of these places the daemon writes rules by
 * netlink, and by iptables-restore at the others; the ports have rules, or are in a map (`tsbridge.port_rules=map`). On a
 * host with iptables-legacy it dies at every twentieth place. The network has all other options that Docker's driver does not have:
 * who may reach what, limits, routes, answers for neighbours. test/driver/crash.test.ts goes through every place in memory,
 * and through more that an engine can do.
 */
import type { Test } from 'tap';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';
import { slowness } from '../process/slowness.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawnSync } = await import('node:child_process');
const { existsSync, mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { isDeepStrictEqual } = await import('node:util');
const { Daemon, hostState } = await import('../process/daemon.js');

// /run/xtables.lock of our own.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
// The host's uplink.
run('ip', ['link', 'add', 'lan0', 'up', 'type', 'veth', 'peer', 'name', 'lan1']);
run('ip', ['link', 'set', 'lan1', 'up']);
run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'lan0']);

const start = (folder: string, crashAt?: number, backend = 'auto') =>
  Daemon.start(folder, {
    args: ['--ip6tables', 'true', '--rule-backend', backend],
    ...(crashAt === undefined ? {} : { crashAt }),
  });

const NetworkID = '5'.repeat(64);
const EndpointID = '0123456789abcdef'.repeat(4);
const ids = { NetworkID, EndpointID };
const ports = (...numbers: readonly number[]) => ({
  'com.docker.network.portmap': numbers.map((HostPort, index) => {
    const Proto = index % 2 === 0 ? 6 : 17;
    return { Proto, IP: '', Port: 80, HostIP: '', HostPort, HostPortEnd: HostPort };
  }),
});
const options = {
  'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
  'tsbridge.publish_from': '192.0.2.0/24',
  'tsbridge.egress_allow': '192.0.2.0/24:443/tcp',
  'tsbridge.no_masquerade_to': '198.51.100.0/24',
  'tsbridge.accept_from': '10.0.0.0/8',
  'tsbridge.remote_routes': '10.77.0.0/24 via 192.0.2.7',
  'tsbridge.announce': 'addresses',
  'tsbridge.ndp_proxy': 'lan0',
  'tsbridge.rate_up': '10mbit',
  'tsbridge.rate_down': '10mbit',
};
type Body = Readonly<Record<string, unknown>>;
type PortRules = 'docker' | 'map';
/** What an engine does, call by call; `repair` is not one of them: see {@link damage}. */
const callsWith = (portRules: PortRules): readonly (readonly [string, Body])[] => [
  [
    'CreateNetwork',
    {
      NetworkID,
      Options: {
        'com.docker.network.enable_ipv6': true,
        'com.docker.network.generic': { ...options, 'tsbridge.port_rules': portRules },
      },
      IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' }],
      IPv6Data: [{ AddressSpace: 'LocalDefault', Pool: 'fd00:5::/64', Gateway: 'fd00:5::1/64' }],
    },
  ],
  [
    'CreateEndpoint',
    {
      ...ids,
      Interface: { Address: '10.5.0.2/24', AddressIPv6: 'fd00:5::2/64' },
      Options: { 'tsbridge.host_routes': '10.88.0.0/24', 'tsbridge.egress_ip': '192.0.2.1' },
    },
  ],
  ['Join', { ...ids, SandboxKey: '/var/run/docker/netns/x' }],
  ['ProgramExternalConnectivity', { ...ids, Options: ports(18080, 18053) }],
  ['repair', {}],
  ['RevokeExternalConnectivity', ids],
  ['Leave', ids],
  ['DeleteEndpoint', ids],
  ['DeleteNetwork', { NetworkID }],
];

const calls = callsWith('docker');

const everyEffect = process.env.CRASH_ALL !== undefined;

/** Which iptables the host has. */
let variant: 'nft' | 'legacy' = 'nft';

/** So that every kind of repair has something to do. */
function damage(): void {
  const iptables = `iptables-${variant}`;
  run(iptables, ['-F', 'FORWARD']);
  run(iptables, ['-t', 'nat', '-F', 'DOCKER']);
  run(iptables, ['-t', 'mangle', '-F']);
  run('ip', ['route', 'flush', 'proto', '201']);
  spawnSync('nft', ['flush', 'map', 'ip', 'tsbridge', 'ports']);
  run('ip', ['link', 'set', 'br-555555555555', 'down']);
  run('ip', ['addr', 'flush', 'dev', 'br-555555555555']);
  run('sysctl', ['-qw', 'net.ipv4.ip_forward=0']);
}

/** The answer's `Err`; undefined if all is well, or if the daemon has died before it answered. */
async function perform(daemon: DaemonType, [method, body]: readonly [string, Body]) {
  if (method === 'repair') return damage();
  return daemon.call(method, body).then(
    ({ Err }) => Err,
    () => undefined,
  );
}

/** The state, once it is `wanted` or has stayed as it is for long; without `wanted`, for a while. */
async function settled(folder: string, wanted?: unknown, signal?: AbortSignal): Promise<unknown> {
  let state: unknown = hostState(folder, variant);
  // A reading takes seconds on an emulated machine.
  const patience = wanted === undefined ? (slowness === 1 ? 6 : 2) : 60;
  for (let same = 0; same < patience && signal?.aborted !== true; same += 1) {
    if (wanted !== undefined && isDeepStrictEqual(state, wanted)) break;
    await sleep(50);
    const now = hostState(folder, variant);
    if (!isDeepStrictEqual(now, state)) same = 0;
    state = now;
  }
  return state;
}

/** Ends the proxy process that the daemons of this test have left. */
async function end(daemon: DaemonType): Promise<void> {
  await daemon.kill();
  for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
  rmSync(daemon.folder, { recursive: true, force: true });
}

/** @param step how many places lie between two deaths */
const diesAtEffects = (step: number, kinds: readonly PortRules[]) => async (t: Test) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  let daemon = await start(folder);
  t.teardown(() => end(daemon));
  // The shared chains stay after the first round: what each call leads to is seen in the others, without a crash.
  const wantedWith = { docker: [] as unknown[], map: [] as unknown[] };
  for (const portRules of ['docker', ...kinds] as const) {
    const wanted = wantedWith[portRules];
    wanted.length = 0;
    for (const call of callsWith(portRules)) {
      t.notOk(await perform(daemon, call), call[0]);
      wanted.push(await settled(folder, call[0] === 'repair' ? wanted.at(-1) : undefined));
    }
  }
  const nothing = wantedWith.docker.at(-1);
  for (const kind of kinds) t.same(wantedWith[kind].at(-1), nothing);
  let all = 0;
  for (const [index, [method]] of calls.entries()) {
    let crashes = 0;
    for (let at = 1; ; at += everyEffect ? 1 : step) {
      // Odd places are before an effect, and even ones after it: both kinds of ports and both backends have some of either.
      const portRules = kinds[Math.floor(at / 2) % kinds.length] ?? 'docker';
      const backend = Math.floor(at / 4) % 2 === 0 ? 'auto' : 'restore';
      const calls = callsWith(portRules);
      const wanted = wantedWith[portRules];
      const call = calls[index] ?? [method, {}];
      const [, body] = call;
      const before = wanted[index - 1] ?? nothing;
      await daemon.kill();
      daemon = await start(folder, at, backend);
      for (const earlier of calls.slice(0, index)) {
        if (earlier[0] === 'repair') continue;
        t.notOk(await perform(daemon, earlier), `${method} ${at}: first ${earlier[0]}`);
      }
      t.same(await settled(folder, before), before, `${method} ${at}: before it`);
      daemon.process.kill('SIGUSR2');
      while (!daemon.log.includes('armed\n')) await sleep(10);
      await perform(daemon, call);
      // What goes on after the answer can be its death as well.
      const wait = new AbortController();
      await Promise.race([daemon.ended, settled(folder, wanted[index], wait.signal)]);
      wait.abort();
      if (daemon.alive) await Promise.race([daemon.ended, sleep(50)]);
      const died = !daemon.alive;
      if (died) crashes += 1;
      // It would die in one of the next calls.
      else await daemon.kill();
      daemon = await start(folder);
      if (died) {
        if (method !== 'repair') {
          t.match(
            await daemon.call(method, undefined),
            { Err: /no body/ },
            'retried without a body',
          );
          t.match(
            await daemon.call(method, body),
            { Err: undefined },
            `${method} ${at}: once more`,
          );
        }
      }
      t.same(await settled(folder, wanted[index]), wanted[index], `${method} ${at}`);
      for (const next of calls.slice(index + 1)) {
        if (next[0] !== 'repair') t.notOk(await perform(daemon, next), `then ${next[0]}`);
      }
      t.same(await settled(folder, nothing), nothing, `${method} ${at}: nothing is left`);
      if (!died) break;
    }
    t.comment(`${crashes} crashes in ${method}`);
    all += crashes;
  }
  const least = step < 10 ? 15 : 5;
  t.ok(all > (everyEffect ? 50 : least), `${all} crashes`);
};

t.test(
  'dies at an effect, and the engine goes on',
  { timeout: 1_500_000 * slowness },
  // On an emulated machine a death takes half a minute, so that there are fewer.
  diesAtEffects(slowness === 1 ? 5 : 25, ['docker', 'map']),
);

t.test('the proxy process is killed: its sockets come back', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const daemon = await start(folder);
  t.teardown(() => end(daemon));
  for (const call of calls.slice(0, 4)) await perform(daemon, call);
  const before = hostState(folder);
  t.match(before.sockets.join('\n'), /:18080/);
  const [proxy] = daemon.proxyPids();
  if (proxy === undefined) throw new Error('no proxy process');
  const killed = performance.now();
  process.kill(proxy, 'SIGKILL');
  while (daemon.proxyPids().includes(proxy)) await sleep(5);
  t.same(await settled(folder, before), before);
  t.comment(`after ${Math.round(performance.now() - killed)} ms`);
  for (const call of calls.slice(7)) t.notOk(await perform(daemon, call));
});

t.test('a second daemon on the same state folder is refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const daemon = await start(folder);
  t.teardown(() => end(daemon));
  const second = Daemon.spawn(folder, { args: ['--socket', join(folder, 'other.sock')] });
  await second.ended;
  t.not(second.process.exitCode, 0);
  t.match(second.log, new RegExp(`process ${daemon.pid} uses this folder already`));
  t.match(await daemon.call('DeleteNetwork', { NetworkID }), {}, 'the first is not disturbed');
});

const legacy = isInstalled('iptables-legacy') && existsSync('/proc/net/ip_tables_names');
t.test(
  'the same with iptables-legacy',
  { timeout: 1_500_000 * slowness, skip: legacy ? false : 'the kernel has no legacy tables' },
  async (t) => {
    run('nft', ['flush', 'ruleset']);
    // The daemon takes the variant that holds chains of Docker.
    run('iptables-legacy', ['-N', 'DOCKER']);
    variant = 'legacy';
    await diesAtEffects(slowness === 1 ? 20 : 60, ['docker'])(t);
    t.match(run('iptables-legacy-save', []), /^:DOCKER-USER /m, 'the rules were there');
  },
);
