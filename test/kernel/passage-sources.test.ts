/**
 * Ways around `tsbridge.egress_allow` and `tsbridge.publish_from` by addresses that their rules do not name. On the real
 * kernel, with the real daemon:
 *
 * - a container with a list of its own, on networks without one, sends from its IPv6 link-local address, or from its address
 *   on another network, for which it needs no privilege;
 * - a container on a network in hairpin mode, whose bridge has `route_localnet`, sends to a loopback address of the host.
 */
import type { ChildProcess } from 'node:child_process';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn } = await import('node:child_process');
const { mkdirSync, mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');

// An empty /run: the test has its own /run/xtables.lock, and its own names of namespaces in /run/netns.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');
const answerer = fileURLToPath(new URL('../process/port-answers.mjs', import.meta.url));
const ip = (...args: readonly string[]) => run('ip', args);

ip('link', 'set', 'lo', 'up');
ip('netns', 'add', 'outside');
ip('link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'outside');
for (const address of ['192.0.2.1/24', '2001:db8:1::1/64']) {
  ip('addr', 'add', address, 'dev', 'lan0', 'nodad');
  ip('-n', 'outside', 'addr', 'add', address.replace('1/', '2/'), 'dev', 'eth0', 'nodad');
}
ip('link', 'set', 'lan0', 'up');
ip('-n', 'outside', 'link', 'set', 'eth0', 'up');
ip('-n', 'outside', 'route', 'add', 'default', 'via', '192.0.2.1');
for (const name of ['held', 'free', 'another', 'neighbour']) {
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
}

const servers: ChildProcess[] = [];
t.teardown(() => {
  for (const server of servers) server.kill('SIGKILL');
});
async function serve(place: string, ...ports: readonly string[]): Promise<void> {
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const [file = '', ...args] = [...enter, process.execPath, answerer, 'serve', ...ports];
  const server = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  servers.push(server);
  await new Promise((resolve) => server.stdout?.once('data', resolve));
}
/** @param questions `tcp/PORT@HOST`, with `~SOURCE` from that address */
async function ask(place: string, ...questions: readonly string[]): Promise<string[]> {
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const [file = '', ...args] = [...enter, process.execPath, answerer, 'together', ...questions];
  const env = { ...process.env, TIMEOUT_MS: '1000' };
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  let out = '';
  child.stdout.on('data', (text) => {
    out += String(text);
  });
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(out) as string[];
}

async function must(daemon: DaemonType, method: string, body: object) {
  const answer = await daemon.call(method, body);
  if (answer.Err !== undefined) throw new Error(`${method}: ${answer.Err}`);
  return answer;
}
async function createNetwork(daemon: DaemonType, subnet: number, labels: object): Promise<void> {
  const pool = { AddressSpace: 'LocalDefault' };
  await must(daemon, 'CreateNetwork', {
    NetworkID: String(subnet).repeat(64),
    Options: {
      'com.docker.network.enable_ipv6': true,
      'com.docker.network.generic': {
        'com.docker.network.bridge.name': `br-${subnet}`,
        ...labels,
      },
    },
    IPv4Data: [{ ...pool, Pool: `10.${subnet}.0.0/24`, Gateway: `10.${subnet}.0.1/24` }],
    IPv6Data: [{ ...pool, Pool: `fd00:${subnet}::/64`, Gateway: `fd00:${subnet}::1/64` }],
  });
}
async function connect(
  daemon: DaemonType,
  subnet: number,
  place: string,
  host: number,
  Options: object,
): Promise<object> {
  const ids = {
    NetworkID: String(subnet).repeat(64),
    EndpointID: `${subnet}${host}`.repeat(32),
  };
  const addresses = [`10.${subnet}.0.${host}/24`, `fd00:${subnet}::${host}/64`] as const;
  const Interface = { Address: addresses[0], AddressIPv6: addresses[1] };
  await must(daemon, 'CreateEndpoint', { ...ids, Interface, Options });
  const joined = await must(daemon, 'Join', { ...ids, SandboxKey: `/run/netns/${place}` });
  const { SrcName } = joined.InterfaceName as { SrcName: string };
  ip('link', 'set', SrcName, 'netns', place, 'name', `eth${subnet}`);
  for (const address of addresses) {
    ip('-n', place, 'address', 'add', address, 'dev', `eth${subnet}`, 'nodad');
  }
  ip('-n', place, 'link', 'set', `eth${subnet}`, 'up');
  return ids;
}

t.test('addresses that no rule names are no way around', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const args = ['--firewall-generation', 'docker20', '--ip6tables', 'true'];
  const daemon = await Daemon.start(folder, { args });
  t.teardown(async () => {
    await daemon.kill('SIGKILL');
    for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const own = { 'tsbridge.egress_allow': '192.0.2.2:9000;[2001:db8:1::2]:9000' };
  await createNetwork(daemon, 5, {});
  await createNetwork(daemon, 6, { 'tsbridge.userland_proxy': 'false' });
  const one = await connect(daemon, 5, 'held', 2, own);
  const other = await connect(daemon, 6, 'held', 2, own);
  const loopback = { 'tsbridge.publish_from': 'loopback' };
  const published = await connect(daemon, 5, 'free', 3, loopback);
  const neighbour = await connect(daemon, 6, 'neighbour', 3, {});
  for (const place of ['held', 'free']) {
    ip('-n', place, 'route', 'add', 'default', 'via', '10.5.0.1');
    ip('-n', place, '-6', 'route', 'add', 'default', 'via', 'fd00:5::1');
  }
  await serve('outside', 'tcp/9000', 'tcp/9001');
  await serve('host', 'tcp/7000');
  await serve('free', 'tcp/80');
  // An address that the kernel still looks for duplicates of cannot be sent from.
  while (ip('-n', 'held', '-6', 'address', 'show', 'tentative').includes('inet6')) await sleep(50);
  const linkLocal = (...words: readonly string[]): string =>
    /inet6 (fe80:[^/]+)/.exec(ip(...words))?.[1] ?? '';
  const router = linkLocal('-6', 'address', 'show', 'dev', 'br-5');
  const itself = linkLocal('-n', 'held', '-6', 'address', 'show', 'dev', 'eth5');
  const isHeld = async (title: string): Promise<void> => {
    t.same(
      await ask('held', 'tcp/9000@192.0.2.2', 'tcp/9000@2001:db8:1::2', 'tcp/80@fd00:5::3'),
      ['9000', '9000', '80'],
      `${title}: what is on the list`,
    );
    t.same(
      await ask(
        'held',
        ...['tcp/9001@192.0.2.2', 'tcp/9001@192.0.2.2~10.6.0.2', 'tcp/7000@10.5.0.1~10.6.0.2'],
        ...['tcp/9001@2001:db8:1::2~fd00:6::2', 'tcp/7000@fd00:5::1~fd00:6::2'],
        ...[`tcp/7000@${router}%eth5`, `tcp/7000@2001:db8:1::1~${itself}%eth5`],
      ),
      Array(7).fill('timeout'),
      `${title}: nothing else, nor from its address on the other network or its link-local one`,
    );
  };
  await isHeld('at first');
  t.same(
    await ask('free', 'tcp/9001@192.0.2.2', 'tcp/7000@fd00:5::1'),
    ['9001', '7000'],
    'a container without a list reaches all of it',
  );
  const another = await connect(daemon, 5, 'another', 4, own);
  for (const method of ['Leave', 'DeleteEndpoint']) await must(daemon, method, another);
  await isHeld('when another one with a list has gone');

  await must(daemon, 'ProgramExternalConnectivity', {
    ...published,
    Options: {
      'com.docker.network.portmap': [
        { Proto: 6, IP: '', Port: 80, HostIP: '127.0.0.1', HostPort: 8080, HostPortEnd: 8080 },
      ],
    },
  });
  // Only with these may a container send to the address, which is otherwise its own.
  run('ip', ['netns', 'exec', 'neighbour', 'sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1']);
  ip('-n', 'neighbour', 'address', 'delete', '127.0.0.1/8', 'dev', 'lo');
  ip('-n', 'neighbour', 'route', 'add', '127.0.0.1', 'via', '10.6.0.1', 'src', '10.6.0.3');
  const loopbackPort = 'tcp/8080@127.0.0.1';
  t.same(await ask('host', loopbackPort), ['80'], 'the host reaches the port');
  t.same(
    await ask('neighbour', loopbackPort),
    ['timeout'],
    'a container of another network does not',
  );
  for (const ids of [other, neighbour, published, one]) {
    for (const method of ['Leave', 'DeleteEndpoint']) await must(daemon, method, ids);
  }
  const left = [run('iptables-save', []), run('ip6tables-save', [])].join('\n');
  t.notMatch(left, /TSBRIDGE-/, 'the last one takes the rules along');
});
