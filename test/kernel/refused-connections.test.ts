/**
 * Connections that began while somebody's flush had left the guards away, on the real kernel: the real daemon, which is
 * stopped meanwhile, a container, and two clients in networks of their own.
 */
import type { ChildProcess } from 'node:child_process';
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

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');
const ip = (...args: readonly string[]) => run('ip', args);
const held = fileURLToPath(new URL('../process/held-connections.mjs', import.meta.url));

ip('link', 'set', 'lo', 'up');
const places = {
  friend: ['lan0', '192.0.2', '2001:db8:1::'],
  stranger: ['lan1', '198.51.100', '2001:db8:2::'],
};
for (const [name, [link = '', four, six]] of Object.entries(places)) {
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
ip('netns', 'add', 'container');
ip('-n', 'container', 'link', 'set', 'lo', 'up');

const children: ChildProcess[] = [];
t.teardown(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** A process of held-connections.mjs in a place; `ask` has it write a line to each connection, and answers with what came back. */
async function start(place: string, ...words: readonly string[]) {
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const [file = '', ...args] = [...enter, process.execPath, held, ...words];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const line = async (): Promise<string> => {
    const [text] = await new Promise<[Buffer]>((resolve) => {
      child.stdout.once('data', (...parts) => resolve(parts as never));
    });
    return String(text).trim();
  };
  const first = await line();
  return {
    first,
    ask: async (): Promise<unknown> => {
      const answer = line();
      child.stdin.write('\n');
      return JSON.parse(await answer);
    },
  };
}

const ids = { NetworkID: '7'.repeat(64), EndpointID: 'fedcba9876543210'.repeat(4) };

t.test('they end with the repair, and those that are allowed go on', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const args = ['--firewall-generation', 'docker28', '--ip6tables', 'true'];
  for (const six of ['', '6']) run(`ip${six}tables-nft`, ['-w', '-N', 'DOCKER']);
  const daemon = await Daemon.start(folder, { args });
  t.teardown(async () => {
    daemon.process.kill('SIGKILL');
    await daemon.ended;
    for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const must = async (method: string, body: object) => {
    const answer = await daemon.call(method, { ...ids, ...body });
    if (answer.Err !== undefined) throw new Error(`${method}: ${answer.Err}`);
    return answer;
  };
  await must('CreateNetwork', {
    Options: {
      'com.docker.network.generic': {
        'com.docker.network.bridge.name': 'br-x',
        'tsbridge.publish_from': '192.0.2.0/24,2001:db8:1::/64',
        'tsbridge.egress_allow': '192.0.2.0/24:9000/tcp',
      },
    },
    IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' }],
    IPv6Data: [],
  });
  await must('CreateEndpoint', { Interface: { Address: '10.5.0.2/24' }, Options: {} });
  const { InterfaceName } = await must('Join', { SandboxKey: '/run/netns/container' });
  ip(
    'link',
    'set',
    (InterfaceName as { SrcName: string }).SrcName,
    'netns',
    'container',
    'name',
    'eth0',
  );
  ip('-n', 'container', 'addr', 'add', '10.5.0.2/24', 'dev', 'eth0');
  ip('-n', 'container', 'link', 'set', 'eth0', 'up');
  ip('-n', 'container', 'route', 'add', 'default', 'via', '10.5.0.1');
  const Options = {
    'com.docker.network.portmap': [
      { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8080 },
    ],
  };
  await must('ProgramExternalConnectivity', { Options });
  await start('container', 'serve', '80');
  for (const place of ['friend', 'stranger']) await start(place, 'serve', '9000');
  await start('host', 'serve', '7000');
  const guards = () => `${run('iptables-nft-save', [])}${run('ip6tables-nft-save', [])}`;
  const before = guards().match(/^-A TSBRIDGE-.*$/gm);

  daemon.process.kill('SIGSTOP');
  for (const six of ['', '6']) run(`ip${six}tables-nft`, ['-w', '-t', 'mangle', '-F']);
  // By IPv4 rules lead to the container, by IPv6 the proxy does.
  const friend = await start('friend', 'hold', '192.0.2.1:8080', '2001:db8:1::1:8080');
  const stranger = await start('stranger', 'hold', '198.51.100.1:8080', '2001:db8:2::1:8080');
  const container = await start(
    'container',
    'hold',
    '192.0.2.2:9000',
    '198.51.100.2:9000',
    '10.5.0.1:7000',
  );
  t.strictSame(await friend.ask(), ['echo', 'echo']);
  t.strictSame(await stranger.ask(), ['echo', 'echo'], 'nothing keeps it away');
  t.strictSame(await container.ask(), ['echo', 'echo', 'echo']);
  daemon.process.kill('SIGCONT');
  while (!daemon.log.includes('ended connections')) await sleep(20);
  t.strictSame(guards().match(/^-A TSBRIDGE-.*$/gm), before, 'repaired');
  t.strictSame(await stranger.ask(), ['none', 'none'], 'no byte passes any more');
  t.strictSame(
    await container.ask(),
    ['echo', 'none', 'none'],
    'of the container’s, what is on the list',
  );
  t.strictSame(await friend.ask(), ['echo', 'echo'], 'the same connections as before');
  t.match(daemon.log, /"connections":4,/);
});
