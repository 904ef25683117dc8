/**
 * `tsbridge.publish_from`, `egress_allow`, `egress_ip` and `no_masquerade_to` on the real kernel: the real daemon, two
 * clients in networks of their own, a container, and connections between all of them.
 */
import type { ChildProcess } from 'node:child_process';
import type { Test } from 'tap';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn } = await import('node:child_process');
const { existsSync, mkdirSync, mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { isDeepStrictEqual } = await import('node:util');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');
const { parseSave } = await import('../../src/codec/iptables/iptables-save.js');
const { listing } = await import('../golden/golden.js');

// /run/xtables.lock of our own, and a place for the names of namespaces.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');

const answerer = fileURLToPath(new URL('../process/port-answers.mjs', import.meta.url));
const ip = (...args: readonly string[]) => run('ip', args);

ip('link', 'set', 'lo', 'up');
/** Both have the host as their router; `friend` is in the network that may reach published ports. */
const places = {
  friend: { link: 'lan0', four: '192.0.2', six: '2001:db8:1::' },
  stranger: { link: 'lan1', four: '198.51.100', six: '2001:db8:2::' },
} as const;
for (const [name, { link, four, six }] of Object.entries(places)) {
  ip('netns', 'add', name);
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  for (const address of [`${four}.1/24`, `${six}1/64`]) {
    ip('addr', 'add', address, 'dev', link, 'nodad');
    ip('-n', name, 'addr', 'add', address.replace('1/', '2/'), 'dev', 'eth0', 'nodad');
  }
  ip('link', 'set', link, 'up');
  for (const each of ['eth0', 'lo']) ip('-n', name, 'link', 'set', each, 'up');
  ip('-n', name, 'route', 'add', 'default', 'via', `${four}.1`);
  ip('-n', name, '-6', 'route', 'add', 'default', 'via', `${six}1`);
}
// One more address of the host, with which containers leave.
ip('addr', 'add', '192.0.2.11/24', 'dev', 'lan0');
// Further addresses of the host in the subnet of the container.
ip('addr', 'add', '10.5.0.77/32', 'dev', 'lo');
ip('addr', 'add', 'fd00:5::77/128', 'dev', 'lo', 'nodad');
ip('netns', 'add', 'container');
ip('-n', 'container', 'link', 'set', 'lo', 'up');

const options = {
  'com.docker.network.bridge.name': 'br-x',
  'tsbridge.publish_from': '192.0.2.0/24,2001:db8:1::/64',
  'tsbridge.egress_allow': '192.0.2.0/24:9000/tcp,198.51.100.0/24:9000-9001,[2001:db8:1::/64]:9000',
  'tsbridge.egress_ip': '192.0.2.11',
  'tsbridge.no_masquerade_to': '198.51.100.0/24',
};
const ids = { NetworkID: '7'.repeat(64), EndpointID: 'fedcba9876543210'.repeat(4) };

async function must(daemon: DaemonType, method: string, body: object) {
  const answer = await daemon.call(method, { ...ids, ...body });
  if (answer.Err !== undefined) throw new Error(`${method}: ${answer.Err}`);
  return answer;
}

/** @param ipv6 false: only the proxy takes connections to IPv6 addresses of the host */
async function createContainer(
  daemon: DaemonType,
  generic: object,
  ipv6: boolean,
  own: object = {},
): Promise<void> {
  const pool = { AddressSpace: 'LocalDefault' };
  await must(daemon, 'CreateNetwork', {
    Options: {
      'com.docker.network.enable_ipv6': ipv6,
      'com.docker.network.generic': generic,
    },
    IPv4Data: [{ ...pool, Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' }],
    IPv6Data: ipv6 ? [{ ...pool, Pool: 'fd00:5::/64', Gateway: 'fd00:5::1/64' }] : [],
  });
  const Interface = { Address: '10.5.0.2/24', AddressIPv6: ipv6 ? 'fd00:5::2/64' : '' };
  await must(daemon, 'CreateEndpoint', { Interface, Options: own });
  const { InterfaceName } = await must(daemon, 'Join', { SandboxKey: '/run/netns/container' });
  const { SrcName } = InterfaceName as { SrcName: string };
  ip('link', 'set', SrcName, 'netns', 'container', 'name', 'eth0');
  ip('-n', 'container', 'addr', 'add', '10.5.0.2/24', 'dev', 'eth0');
  ip('-n', 'container', 'link', 'set', 'eth0', 'up');
  ip('-n', 'container', 'route', 'add', 'default', 'via', '10.5.0.1');
  if (!ipv6) return;
  ip('-n', 'container', 'addr', 'add', 'fd00:5::2/64', 'dev', 'eth0', 'nodad');
  ip('-n', 'container', '-6', 'route', 'add', 'default', 'via', 'fd00:5::1');
}

async function removeContainer(daemon: DaemonType): Promise<void> {
  for (const method of ['Leave', 'DeleteEndpoint', 'DeleteNetwork']) await must(daemon, method, {});
  while (existsSync('/sys/class/net/br-x')) await sleep(10);
}

const publish = (daemon: DaemonType, ...ports: readonly [number, number, number][]) =>
  must(daemon, 'ProgramExternalConnectivity', {
    Options: {
      'com.docker.network.portmap': ports.map(([Proto, HostPort, Port]) => {
        return { Proto, IP: '', Port, HostIP: '', HostPort, HostPortEnd: HostPort };
      }),
    },
  });

/** Answers of the servers, or why there is none; asked at the same time, since those without answer take seconds. */
async function asked(place: string, ...questions: readonly string[]): Promise<string[]> {
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const [file = '', ...args] = [...enter, process.execPath, answerer, 'together', ...questions];
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (text) => {
    out += String(text);
  });
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(out) as string[];
}

const servers: ChildProcess[] = [];
async function serve(place: string, what: 'serve' | 'peers', ...ports: readonly string[]) {
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const [file = '', ...args] = [...enter, process.execPath, answerer, what, ...ports];
  const server = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  servers.push(server);
  await new Promise((resolve) => server.stdout?.once('data', resolve));
}
t.teardown(() => {
  for (const server of servers) server.kill('SIGKILL');
});
await serve('container', 'serve', 'tcp/80', 'udp/53', 'tcp/81');
for (const place of ['friend', 'stranger']) {
  await serve(place, 'peers', 'tcp/9000', 'tcp/9001', 'udp/9001');
}
await serve('host', 'serve', 'tcp/7000');

async function end(daemon: DaemonType): Promise<void> {
  daemon.process.kill('SIGKILL');
  while (daemon.alive) await sleep(10);
}

const cases = (
  [
    { variant: 'nft', generation: 'docker28' },
    { variant: 'legacy', generation: 'docker20' },
  ] as const
).filter(
  ({ variant }) =>
    isInstalled(`iptables-${variant}`) &&
    (variant === 'nft' || existsSync('/proc/net/ip_tables_names')),
);

for (const { variant, generation } of cases) {
  const save = () =>
    `${run(`iptables-${variant}-save`, [])}${run(`ip6tables-${variant}-save`, [])}`;
  const rules = () => listing(parseSave(save()));
  const own = () => save().match(/^.*TSBRIDGE-.*$/gm) ?? [];

  t.test(`${variant}, ${generation}`, async (t) => {
    run('nft', ['flush', 'ruleset']);
    for (const six of ['', '6']) run(`ip${six}tables-${variant}`, ['-w', '-N', 'DOCKER']);
    const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
    const args = ['--firewall-generation', generation, '--ip6tables', 'true'];
    let daemon = await Daemon.start(folder, { args });
    t.teardown(async () => {
      await end(daemon);
      for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      const empty = ['raw', 'mangle', 'nat', 'filter']
        .map((table) => `*${table}\nCOMMIT\n`)
        .join('');
      for (const six of ['', '6']) run(`ip${six}tables-${variant}-restore`, ['-w'], empty);
    });

    const check = async (t: Test, title: string): Promise<void> => {
      const friend = await asked(
        'friend',
        ...['tcp/8080@192.0.2.1', 'udp/8053@192.0.2.1', 'tcp/8080@2001:db8:1::1'],
      );
      t.same(friend, ['80', '53', '80'], `${title}: who may reach published ports does`);
      const stranger = await asked(
        'stranger',
        ...['tcp/8080@198.51.100.1', 'udp/8053@198.51.100.1', 'tcp/8080@2001:db8:2::1'],
        ...['tcp/80@10.5.0.2'],
      );
      t.same(stranger, Array(4).fill('timeout'), `${title}: nobody else, nor past the host port`);
      const host = ['tcp/8080@127.0.0.1', 'tcp/8080@192.0.2.1', 'tcp/8080@::1', 'tcp/80@10.5.0.2'];
      t.same(await asked('host', ...host), Array(4).fill('80'), `${title}: the host itself`);
      const out = await asked(
        'container',
        ...['tcp/9000@192.0.2.2', 'tcp/9001@198.51.100.2', 'udp/9001@198.51.100.2'],
      );
      t.same(
        out,
        ['192.0.2.11', '10.5.0.2', '10.5.0.2'],
        `${title}: leaves with the address asked for, or its own where that is asked for`,
      );
      const refused = await asked(
        'container',
        ...['tcp/9001@192.0.2.2', 'tcp/7000@10.5.0.1', 'tcp/7000@192.0.2.1'],
        ...['tcp/7000@10.5.0.77', 'tcp/7000@fd00:5::77', 'tcp/7000@fd00:5::1'],
      );
      t.same(refused, Array(6).fill('timeout'), `${title}: opens no other connections`);
    };

    await createContainer(daemon, options, true);
    await publish(daemon, [6, 8080, 80], [17, 8053, 53]);
    const published = rules();
    await check(t, 'published');
    t.same(
      await asked('container', 'tcp/9000@2001:db8:1::2', 'tcp/9000@2001:db8:2::2'),
      ['2001:db8:1::1', 'timeout'],
      'IPv6, with its neighbours found',
    );

    await end(daemon);
    const ruleset = run('nft', ['-a', 'list', 'ruleset']).replace(/packets \d+ bytes \d+/g, '');
    daemon = await Daemon.start(folder, { args });
    t.same(
      run('nft', ['-a', 'list', 'ruleset']).replace(/packets \d+ bytes \d+/g, ''),
      ruleset,
      'a start takes over what is there, to the number of each rule',
    );

    const repaired = async (what: string, breaking: () => void): Promise<void> => {
      // The daemon is stopped, as it might repair the rules before their fault was seen.
      daemon.process.kill('SIGSTOP');
      breaking();
      t.strictNotSame(rules(), published, `${what}: broken`);
      daemon.process.kill('SIGCONT');
      for (let wait = 0; wait < 400 && !isDeepStrictEqual(rules(), published); wait += 1) {
        await sleep(50);
      }
      t.same(rules(), published, `${what}: repaired`);
    };
    const tables = (...words: readonly string[]): void => {
      for (const six of ['', '6']) run(`ip${six}tables-${variant}`, ['-w', ...words]);
    };
    await repaired('mangle flushed', () => tables('-t', 'mangle', '-F'));
    await repaired('one jump deleted', () =>
      tables('-t', 'mangle', '-D', 'TSBRIDGE-EGRESS', '-j', 'TSBRIDGE-EGRESS-DROP'),
    );
    await repaired('a rule of nobody in a chain of ours', () =>
      tables('-t', 'mangle', '-I', 'TSBRIDGE-PUBLISH', '-o', 'br-x', '-j', 'RETURN'),
    );
    await repaired('nat flushed', () => tables('-t', 'nat', '-F'));
    if (variant === 'nft')
      await repaired('everything flushed', () => run('nft', ['flush', 'ruleset']));
    await check(t, 'repaired');

    t.same((await daemon.call('RevokeExternalConnectivity', ids)).Err, undefined);
    t.notMatch(own().join('\n'), /TSBRIDGE-(PUBLISH|PROXY)-DROP .*--dport/, 'no port is left');
    await removeContainer(daemon);
    t.same(own(), [], 'the last one takes the chains along');
    const before = rules();
    t.notMatch(save(), /br-x|10\.5\.0\.|fd00:5:/, 'nothing is left');

    // What no rule translates goes through the proxy: IPv6 to a container that has none.
    const only = { ...options, 'tsbridge.egress_allow': 'any', 'tsbridge.egress_ip': 'none' };
    await createContainer(daemon, only, false);
    await publish(daemon, [6, 8080, 80], [17, 8053, 53]);
    const six = ['tcp/8080@2001:db8:1::1', 'udp/8053@2001:db8:1::1'];
    t.same(await asked('friend', ...six), ['80', '53'], 'through the proxy');
    t.same(
      await asked('stranger', 'tcp/8080@2001:db8:2::1', 'udp/8053@2001:db8:2::1'),
      ['timeout', 'timeout'],
      'the proxy is out of reach for others',
    );
    t.same(await asked('host', 'tcp/8080@::1'), ['80'], 'not for the host');
    t.same(await asked('container', 'tcp/8080@192.0.2.1'), ['80'], 'nor for its own network');
    await removeContainer(daemon);

    // The endpoint's own count in place of the network's.
    const closed = {
      'com.docker.network.bridge.name': 'br-x',
      'tsbridge.publish_from': 'loopback',
      'tsbridge.egress_allow': 'none',
    };
    const open = {
      'tsbridge.publish_from': 'dev:lan1',
      'tsbridge.egress_allow': 'any',
      'tsbridge.egress_ip': 'published',
    };
    await createContainer(daemon, closed, false, open);
    await publish(daemon, [6, 8080, 80]);
    t.same(await asked('stranger', 'tcp/8080@198.51.100.1'), ['80'], 'by that interface');
    t.same(await asked('friend', 'tcp/8080@192.0.2.1'), ['timeout'], 'by no other one');
    t.same(await asked('container', 'tcp/9001@192.0.2.2'), ['192.0.2.1'], 'connects everywhere');
    await removeContainer(daemon);
    t.same(rules(), before, 'nothing is left');
  });
}
