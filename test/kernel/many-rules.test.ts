/** The real daemon with 60,000 ports, and beside programs that make as many rules. */
import type { Test } from 'tap';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('nft') || !isInstalled('iptables-nft')) {
  t.plan(0, 'needs nft and iptables-nft');
  process.exit(0);
}
const { spawnSync } = await import('node:child_process');
const { mkdirSync, mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { isDeepStrictEqual } = await import('node:util');
const { Daemon, hostState } = await import('../process/daemon.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');
const NetworkID = 'a'.repeat(64);
const EndpointID = '0123456789abcdef'.repeat(4);
const ids = { NetworkID, EndpointID };
// A busy machine may take far longer than the engine would wait; docs/performance.md has the times of an idle one.
const args = ['--firewall-generation', 'docker28', '--call-timeout', '300'];
/**
 * KiB that the daemon may take at most beside what it has before the first call. Measured were 71 to 84 MB for 60,000
 * ports (Node.js 24.21, one machine, load average 17 to 35). The rest is room for other machines, none of which was
 * measured.
 */
const most = 160 * 1024;
const gateway = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
const network = {
  NetworkID,
  Options: { 'com.docker.network.generic': gateway },
  IPv4Data: [{ AddressSpace: 'local', Pool: '172.20.0.0/16', Gateway: '172.20.0.1/16' }],
  IPv6Data: [],
};
const publish = (count: number) => ({
  ...ids,
  Options: {
    'com.docker.network.portmap': Array.from({ length: count }, (_, port) => portOf(port)),
  },
});
const portOf = (index: number) => ({
  Proto: 6,
  IP: '',
  Port: index + 1,
  HostIP: '0.0.0.0',
  HostPort: 0,
  HostPortEnd: 0,
});
const published = () =>
  run('iptables-nft-save', ['-t', 'filter']).match(/^-A DOCKER .*--dport \d+ -j ACCEPT$/gm)?.length;

/** What the work has taken at most. */
async function checkMemory(t: Test, daemon: DaemonType, work: () => Promise<void>): Promise<void> {
  const before = daemon.memory().now;
  const began = performance.now();
  await work();
  const { peak } = daemon.memory();
  t.comment(`${before} KiB, ${peak} KiB at most, ${Math.round(performance.now() - began)} ms`);
  t.ok(peak - before < most, `${peak - before} KiB more at most`);
}

/** True as soon as it is, false after a minute. */
async function comesTrue(what: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (what()) return true;
    await sleep(200);
  }
  return false;
}

async function start(t: Test, folder: string): Promise<DaemonType> {
  const daemon = await Daemon.start(folder, { args });
  t.teardown(() => daemon.kill());
  return daemon;
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// As many sockets would need more descriptors than a test may have: without NAT there are none.
t.test('60,000 ports of mode routed are published and released', async (t) => {
  const folder = folderOf(t);
  const first = await start(t, folder);
  t.same(await first.call('CreateNetwork', network), {});
  const before = hostState(folder);
  const Interface = { Address: '172.20.0.2/16' };
  await first.call('CreateEndpoint', { ...ids, Interface, Options: {} });
  await first.call('Join', { ...ids, SandboxKey: '/run/netns/none' });
  await checkMemory(t, first, async () => {
    t.same(await first.call('ProgramExternalConnectivity', publish(60_000)), {}, 'published');
    t.equal(published(), 60_000);
    t.same(await first.call('RevokeExternalConnectivity', ids), {}, 'by their handles');
    t.equal(published(), undefined);
  });

  t.same(await first.call('ProgramExternalConnectivity', publish(20_000)), {}, 'and again');
  await first.kill('SIGKILL');
  const second = await start(t, folder);
  t.equal(published(), 20_000, 'after kill -9');
  await checkMemory(t, second, async () => {
    const revoked = await second.call('RevokeExternalConnectivity', ids);
    t.same(revoked, {}, 'by handles that are found by the bytes of the rules');
    t.equal(published(), undefined);
  });
  t.same(await second.call('Leave', ids), {});
  t.same(await second.call('DeleteEndpoint', ids), {});
  // The record goes after the link, in the background.
  await comesTrue(() => isDeepStrictEqual(hostState(folder), before));
  t.same(hostState(folder), before, 'nothing is left');
  t.same(await second.call('DeleteNetwork', { NetworkID }), {});
});

t.test('more changes by others than the listener can take', async (t) => {
  const folder = folderOf(t);
  const daemon = await start(t, folder);
  t.same(await daemon.call('CreateNetwork', network), {});
  await sleep(3_000);
  const rules = () => run('iptables-nft', ['-S', 'DOCKER-FORWARD']);
  const before = rules();
  t.match(before, 'br-aaaaaaaaaaaa');

  process.kill(daemon.pid, 'SIGSTOP');
  // 24,000 of these fill its buffer (Linux 6.18).
  const match = '-d 192.0.2.1/32 ! -i br-0123456789ab -o br-0123456789ab -p tcp -m tcp';
  const rule = (port: number) => `-A MANY ${match} --dport ${port} -j ACCEPT`;
  const many = Array.from({ length: 60_000 }, (_, port) => rule(port + 1));
  const input = ['*filter', ':MANY - [0:0]', ...many, 'COMMIT', ''].join('\n');
  t.equal(spawnSync('iptables-nft-restore', ['--noflush'], { input }).status, 0);
  // Nobody is told of that.
  run('iptables-nft', ['-F', 'DOCKER-FORWARD']);
  t.notMatch(rules(), 'br-aaaaaaaaaaaa');
  process.kill(daemon.pid, 'SIGCONT');
  t.ok(await comesTrue(() => rules() === before), 'found out, and repaired');
  run('iptables-nft', ['-F', 'MANY']);
  run('iptables-nft', ['-X', 'MANY']);
  t.same(await daemon.call('DeleteNetwork', { NetworkID }), {});
});
