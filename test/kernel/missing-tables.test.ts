/**
 * The real daemon on a kernel that lacks a table, or all of IPv6's: containers get their network,
 * and the log and `tsbridge status` say what does not hold. The kernel's refusal is played by a
 * program that stands before the real one, since no such kernel is at hand.
 */
import { itemOf } from '../process/documents.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawnSync } = await import('node:child_process');
const { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const real = process.env.PATH ?? '';
const networkId = 'a'.repeat(64);
const endpointId = '0123456789abcdef'.repeat(4);

const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

type Programs = Readonly<Record<string, string>>;

/** A PATH on which these shell scripts come before the real programs. */
function pathWith(t: { testdir(): string }, programs: Programs): string {
  const bin = t.testdir();
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\nPATH='${real}'\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  return `${bin}:${real}`;
}

/** What iptables-restore says and does where the kernel has no such table. */
const without = (program: string, table: string): string =>
  `text=$(cat)
case "$text" in *'*${table}'*)
  echo "${program}: unable to initialize table '${table}'" >&2; exit 1 ;;
esac
echo "$text" | exec ${program} "$@"`;

interface Status {
  readonly ip6tables: string;
  readonly degraded: readonly string[];
  readonly drift: { readonly count: number };
}

function status(): Status {
  const args = [main, 'status', '--json', '--runtime-dir', join(folder, 'run')];
  // TSBRIDGE_… of the test's own would be taken for settings.
  const env = { PATH: real };
  return itemOf(spawnSync(process.execPath, args, { encoding: 'utf8', env }).stdout);
}

type Daemon = Awaited<ReturnType<typeof Daemon.start>>;

/** A network with both families and a container with a published port; the rest is undone. */
async function withContainer(daemon: Daemon, body: () => void): Promise<void> {
  const ids = { NetworkID: networkId, EndpointID: endpointId };
  const pool = (Pool: string, Gateway: string) => [
    { AddressSpace: 'LocalDefault', Pool, Gateway, AuxAddresses: {} },
  ];
  const call = async (method: string, more: object): Promise<void> => {
    const answer = await daemon.call(method, { ...ids, ...more });
    if (answer.Err !== undefined) throw new Error(`${method}: ${answer.Err}`);
  };
  await call('CreateNetwork', {
    Options: { 'com.docker.network.enable_ipv6': true, 'com.docker.network.generic': {} },
    IPv4Data: pool('10.5.0.0/24', '10.5.0.1/24'),
    IPv6Data: pool('fd00:5::/64', 'fd00:5::1/64'),
  });
  const Interface = { Address: '10.5.0.2/24', AddressIPv6: 'fd00:5::2/64', MacAddress: '' };
  await call('CreateEndpoint', { Interface, Options: {} });
  await call('Join', { SandboxKey: '/run/docker/netns/1', Options: {} });
  const port = { Proto: 6, IP: '', Port: 80, HostPort: 8080, HostPortEnd: 8080 };
  const portmap = [
    { ...port, HostIP: '127.0.0.1' },
    { ...port, HostIP: '::' },
  ];
  await call('ProgramExternalConnectivity', {
    Options: { 'com.docker.network.portmap': portmap },
  });
  body();
  for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint', 'DeleteNetwork']) {
    await call(method, {});
  }
}

const saved = (program: string): string => run(`${program}-save`, []);

for (const variant of ['nft', 'legacy'] as const) {
  const kernel = variant === 'nft' || existsSync('/proc/net/ip_tables_names');
  const skip = !isInstalled(`iptables-${variant}`) || !kernel;
  t.test(`iptables-${variant}`, { skip }, async (t) => {
    const [four, six] = [`iptables-${variant}`, `ip6tables-${variant}`];
    run(four, ['-w', '-N', 'DOCKER']);
    run(six, ['-w', '-N', 'DOCKER']);
    t.teardown(() => {
      for (const program of [four, six]) {
        const empty = ['raw', 'mangle', 'nat', 'filter'].map((name) => `*${name}\nCOMMIT\n`);
        run(`${program}-restore`, ['-w'], empty.join(''));
      }
    });
    const start = async (programs: Programs, ...more: string[]): Promise<Daemon> => {
      const env = { PATH: pathWith(t, programs) };
      const args = ['--firewall-generation', 'docker28', ...more];
      const daemon = await Daemon.start(folder, { env, args });
      t.teardown(() => daemon.kill());
      return daemon;
    };

    await t.test('a kernel without table raw serves containers', async (t) => {
      const daemon = await start({ [`${four}-restore`]: without(`${four}-restore`, 'raw') });
      t.same(status().degraded, [], 'nobody has missed it yet');
      await withContainer(daemon, () => {
        t.match(saved(four), /-A DOCKER -d 127\.0\.0\.1\/32 .* -j DNAT/, 'ports are published');
        t.match(saved(four), /-A DOCKER-FORWARD -i br-a{12} -j ACCEPT/);
        t.notMatch(saved(four), /-d 10\.5\.0\.2\/32 ! -i br-a{12} -j DROP/);
        t.match(saved(six), /-d fd00:5::2\/128 ! -i br-a{12} -j DROP/, 'IPv6 has the table');
        const { degraded, drift } = status();
        t.match(degraded, [/no table raw for IPv4: other hosts/]);
        t.equal(drift.count, 0, 'nothing to repair');
      });
      t.equal(daemon.log.match(/"level":"warn"[^\n]*no table raw/g)?.length, 1, 'logged once');
      t.notMatch(saved(four), /10\.5\.0\./, 'nothing is left');
      await daemon.kill();
    });

    await t.test('a kernel without table nat for IPv6 serves containers', async (t) => {
      const daemon = await start({ [`${six}-restore`]: without(`${six}-restore`, 'nat') });
      await withContainer(daemon, () => {
        t.match(saved(six), /-A DOCKER ! -i br-a{12} -o br-a{12} -j DROP/, 'isolated all the same');
        t.match(saved(four), /-A POSTROUTING -s 10\.5\.0\.0\/24 ! -o br-a{12} -j MASQUERADE/);
        t.match(status().degraded, [/no table nat for IPv6: nothing is masqueraded/]);
      });
      await daemon.kill();
    });

    await t.test('a host without ip6tables serves containers', async (t) => {
      const broken = `echo "${six}: Protocol not supported" >&2; exit 3`;
      const names = [`${six}-save`, 'ip6tables-save', `${six}-restore`];
      // As `auto` finds it; told to write IPv6 rules it would be an error in the log.
      for (const [flag, level] of [
        ['auto', 'info'],
        ['true', 'error'],
      ]) {
        const programs = Object.fromEntries(names.map((name) => [name, broken]));
        // The other variant's programs would be taken in place of them.
        const other = variant === 'nft' ? 'legacy' : 'nft';
        programs[`ip6tables-${other}-save`] = broken;
        const daemon = await start(programs, '--ip6tables', flag ?? '');
        await withContainer(daemon, () => {
          t.match(saved(four), /-A DOCKER -d 127\.0\.0\.1\/32 .* -j DNAT/);
          t.notMatch(saved(six), /fd00:5::/);
          const { ip6tables, degraded } = status();
          t.equal(ip6tables, 'off');
          t.match(degraded, [/no working ip6tables/]);
        });
        t.match(daemon.log, new RegExp(`"level":"${level}"[^\n]*no working ip6tables`));
        await daemon.kill();
      }
    });
  });
}

const both = isInstalled('iptables-legacy') && existsSync('/proc/net/ip_tables_names');
t.test(
  'the daemon does not start where Docker has chains in both variants of iptables',
  { skip: !both },
  async (t) => {
    run('iptables-nft', ['-w', '-N', 'DOCKER']);
    run('iptables-legacy', ['-w', '-N', 'DOCKER']);
    const daemon = Daemon.spawn(folder);
    await daemon.ended;
    t.match(daemon.log, /both iptables-nft and iptables-legacy hold chains of Docker/);
    t.equal(daemon.process.exitCode, 1);
  },
);
