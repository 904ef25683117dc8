/** The real daemon while the host goes over to the other iptables. */
import type { Status } from '../../src/operator/status.js';
import { itemOf } from '../process/documents.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawnSync } = await import('node:child_process');
const { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } = await import('node:fs');
const both = isInstalled('iptables-nft') && isInstalled('iptables-legacy');
if (!both || !existsSync('/proc/net/ip_tables_names')) {
  t.plan(0, 'needs iptables-nft and iptables-legacy');
  process.exit(0);
}
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { fileURLToPath } = await import('node:url');
const { RawClient } = await import('../fuzz/client.js');
const { Daemon } = await import('../process/daemon.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const bin = join(folder, 'bin');
mkdirSync(bin);
const PATH = `${bin}:${process.env.PATH}`;

/** As `update-alternatives --set iptables` does it. */
function setAlternative(variant: 'nft' | 'legacy'): void {
  for (const tool of ['iptables', 'ip6tables']) {
    for (const end of ['', '-save', '-restore']) {
      rmSync(join(bin, `${tool}${end}`), { force: true });
      symlinkSync(`/usr/sbin/${tool}-${variant}${end}`, join(bin, `${tool}${end}`));
    }
  }
}

const network = (letter: string, number: number) => ({
  NetworkID: letter.repeat(64),
  Options: { 'com.docker.network.generic': {} },
  IPv4Data: [
    { AddressSpace: 'local', Pool: `10.${number}.0.0/24`, Gateway: `10.${number}.0.1/24` },
  ],
  IPv6Data: [],
});
const saved = (variant: string) => run(`iptables-${variant}-save`, []);
const degraded = (): string => {
  const args = [main, 'status', '--json', '--runtime-dir', join(folder, 'run')];
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { PATH } });
  return itemOf<Status>(stdout).degraded.join('\n');
};

/** True as soon as it is, false after half a minute. */
async function comesTrue(what: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 150; attempt += 1) {
    if (what()) return true;
    await sleep(200);
  }
  return false;
}

t.test('update-alternatives, and an engine that starts', async (t) => {
  setAlternative('nft');
  run('iptables-nft', ['-N', 'DOCKER']);
  const args = ['--firewall-generation', 'docker28'];
  const daemon = await Daemon.start(folder, { args, env: { PATH } });
  t.teardown(() => daemon.kill());
  t.same(await daemon.call('CreateNetwork', network('a', 5)), {});
  t.match(saved('nft'), 'br-aaaaaaaaaaaa');

  setAlternative('legacy');
  run('iptables-legacy', ['-w', '-N', 'DOCKER']);
  const refused = await daemon.call('CreateNetwork', network('b', 6));
  t.match(refused, { Err: /both iptables-nft and iptables-legacy hold chains of Docker/ });
  t.notMatch(saved('nft') + saved('legacy'), 'br-bbbbbbbbbbbb', 'nothing goes to either of them');
  t.match(degraded(), 'both iptables-nft and iptables-legacy hold chains of Docker');
  t.match(daemon.log, /"level":"error"[^\n]*no rules are added/);

  run('nft', ['flush', 'ruleset']);
  const moved = () => saved('legacy').includes('br-aaaaaaaaaaaa');
  t.same(await daemon.call('CreateNetwork', network('b', 6)), {}, 'the other one is clean');
  t.match(saved('legacy'), 'br-bbbbbbbbbbbb');
  t.notMatch(saved('nft'), 'br-');
  t.ok(await comesTrue(moved), 'what was there before follows');
  t.match(daemon.log, /another variant of iptables/);
  run('iptables-legacy', ['-w', '-F', 'DOCKER-FORWARD']);
  t.ok(
    await comesTrue(() => saved('legacy').includes('-A DOCKER-FORWARD -i br-aaaaaaaaaaaa')),
    'and is watched there',
  );
  t.equal(degraded(), '');
  for (const NetworkID of ['a', 'b'].map((letter) => letter.repeat(64))) {
    t.same(await daemon.call('DeleteNetwork', { NetworkID }), {});
  }
  t.notMatch(saved('legacy'), 'br-', 'nothing is left');
});

t.test('while it is in doubt, what is there can go', async (t) => {
  for (const table of ['filter', 'nat', 'raw', 'mangle']) {
    run('iptables-legacy', ['-w', '-t', table, '-P', 'OUTPUT', 'ACCEPT']);
    run('iptables-legacy', ['-w', '-t', table, '-F']);
    run('iptables-legacy', ['-w', '-t', table, '-X']);
  }
  setAlternative('nft');
  run('iptables-nft', ['-N', 'DOCKER']);
  const args = ['--firewall-generation', 'docker28'];
  const daemon = await Daemon.start(folder, { args, env: { PATH } });
  t.teardown(() => daemon.kill());
  t.same(await daemon.call('CreateNetwork', network('a', 5)), {});
  // Without any link that changes: a package was replaced, and an engine says hello.
  run('iptables-legacy', ['-w', '-N', 'DOCKER']);
  const client = new RawClient(daemon.socket);
  t.match((await client.post('Plugin.Activate', '')).body, 'NetworkDriver');
  client.close();
  t.ok(
    await comesTrue(() => daemon.log.includes('no rules are added')),
    'it is found out without a call',
  );
  t.same(await daemon.call('DeleteNetwork', { NetworkID: 'a'.repeat(64) }), {});
  t.notMatch(saved('nft') + saved('legacy'), 'br-aaaaaaaaaaaa');
});
