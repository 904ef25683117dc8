/**
 * `tsbridge.accept_from` with a range that contains every network of this host, on the real kernel and with the real
 * daemon. A container on a second network, one on a network of Docker's own driver and another host ask a container of the
 * network with the option, and so does one on a network without rules; only the other host is let in.
 */
import type { ChildProcess } from 'node:child_process';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, run } from '../process/netns.js';

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
const { generations } = await import('../../src/core/generations/all.js');
const { makeNetwork } = await import('../golden/golden.js');

// An empty /run: the test has its own /run/xtables.lock, and its own names of namespaces in /run/netns.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');
const answerer = fileURLToPath(new URL('../process/port-answers.mjs', import.meta.url));
const ip = (...args: readonly string[]) => run('ip', args);
const families = [4, 6] as const;
const program = (family: 4 | 6, what = '') => `ip${family === 4 ? '' : '6'}tables-nft${what}`;

/** Makes a network namespace, with the host as its router if it has a link. */
function place(name: string, link: string | undefined, subnet: number): void {
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
  if (link === undefined) return;
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  inside(name, subnet);
}
function inside(name: string, subnet: number): void {
  for (const address of [`10.${subnet}.0.2/24`, `fd00:${subnet}::2/64`]) {
    ip('-n', name, 'address', 'add', address, 'dev', 'eth0', 'nodad');
  }
  ip('-n', name, 'link', 'set', 'eth0', 'up');
  ip('-n', name, 'route', 'add', 'default', 'via', `10.${subnet}.0.1`);
  ip('-n', name, '-6', 'route', 'add', 'default', 'via', `fd00:${subnet}::1`);
}
function gateway(link: string, subnet: number): void {
  for (const address of [`10.${subnet}.0.1/24`, `fd00:${subnet}::1/64`]) {
    ip('address', 'add', address, 'dev', link, 'nodad');
  }
  ip('link', 'set', link, 'up');
}

place('elsewhere', 'lan0', 8);
gateway('lan0', 8);
place('builtin', 'veth-b', 7);
ip('link', 'add', 'br-b', 'type', 'bridge');
gateway('br-b', 7);
ip('link', 'set', 'veth-b', 'master', 'br-b', 'up');
place('one', undefined, 5);
place('two', undefined, 6);
place('bare', undefined, 4);
const everywhere = ['elsewhere', 'builtin', 'two', 'bare'] as const;

const servers: ChildProcess[] = [];
async function ask(where: string, ...questions: readonly string[]): Promise<string[]> {
  const args = ['netns', 'exec', where, process.execPath, answerer, 'together', ...questions];
  const env = { ...process.env, ...(where === 'elsewhere' ? {} : { TIMEOUT_MS: '1000' }) };
  const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  let out = '';
  child.stdout.on('data', (text) => {
    out += String(text);
  });
  await new Promise((resolve) => child.once('close', resolve));
  return JSON.parse(out) as string[];
}
t.teardown(() => {
  for (const server of servers) server.kill('SIGKILL');
});
{
  const args = ['netns', 'exec', 'one', process.execPath, answerer, 'serve', 'tcp/80', 'tcp/81'];
  const server = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  servers.push(server);
  await new Promise((resolve) => server.stdout?.once('data', resolve));
}

async function must(daemon: DaemonType, method: string, body: object) {
  const answer = await daemon.call(method, body);
  if (answer.Err !== undefined) throw new Error(`${method}: ${answer.Err}`);
  return answer;
}

const idsOf = (subnet: number) => ({
  NetworkID: String(subnet).repeat(64),
  EndpointID: `${subnet}123456789abcdef`.repeat(4).padEnd(64, '0'),
});
async function create(daemon: DaemonType, name: string, subnet: number, labels: object) {
  const ids = idsOf(subnet);
  const pool = { AddressSpace: 'LocalDefault' };
  await must(daemon, 'CreateNetwork', {
    ...ids,
    Options: {
      'com.docker.network.enable_ipv6': true,
      'com.docker.network.generic': labels,
    },
    IPv4Data: [{ ...pool, Pool: `10.${subnet}.0.0/24`, Gateway: `10.${subnet}.0.1/24` }],
    IPv6Data: [{ ...pool, Pool: `fd00:${subnet}::/64`, Gateway: `fd00:${subnet}::1/64` }],
  });
  const Interface = { Address: `10.${subnet}.0.2/24`, AddressIPv6: `fd00:${subnet}::2/64` };
  await must(daemon, 'CreateEndpoint', { ...ids, Interface, Options: {} });
  const joined = await must(daemon, 'Join', { ...ids, SandboxKey: `/run/netns/${name}` });
  const { SrcName } = joined.InterfaceName as { SrcName: string };
  ip('link', 'set', SrcName, 'netns', name, 'name', 'eth0');
  inside(name, subnet);
}
async function remove(daemon: DaemonType, subnet: number): Promise<void> {
  const ids = idsOf(subnet);
  for (const method of ['Leave', 'DeleteEndpoint', 'DeleteNetwork'])
    await must(daemon, method, ids);
  while (existsSync(`/sys/class/net/br-${subnet}`)) await sleep(10);
}

const own = () =>
  families
    .flatMap((family) => run(program(family, '-save'), []).split('\n'))
    .filter((line) => line.includes('TSBRIDGE-'));
/** Waits until the condition holds, at most half a minute. */
async function comesTrue(what: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 600 && !what(); attempt += 1) await sleep(50);
}
const questions = ['tcp/80@10.5.0.2', 'tcp/81@10.5.0.2', 'tcp/80@fd00:5::2', 'tcp/81@fd00:5::2'];
const cases = [
  { generation: 'docker17', mode: 'nat' },
  { generation: 'docker20', mode: 'nat' },
  { generation: 'docker28', mode: 'nat' },
  { generation: 'docker28', mode: 'routed' },
  { generation: 'docker29', mode: 'nat' },
  { generation: 'docker29', mode: 'routed' },
] as const;

/** The chains to which an engine has FORWARD jump from its top: it inserts the jumps in this order, so the last is on top. */
const topJumps = {
  docker17: ['DOCKER-ISOLATION'],
  docker20: ['DOCKER-ISOLATION-STAGE-1', 'DOCKER-USER'],
  docker28: [],
  docker29: [],
} as const;
/** The daemon's rule by which the network of Docker's own driver is kept out, where it needs one. */
const apart = '-A TSBRIDGE-ACCEPT -i br-b -j RETURN';
const keptOut = {
  docker17: '-A DOCKER-ISOLATION -i br-b -o br-5 -j DROP',
  docker20: apart,
  docker28: apart,
  docker29: apart,
} as const;

for (const { generation, mode } of cases) {
  t.test(`${generation}, mode ${mode}`, async (t) => {
    run('nft', ['flush', 'ruleset']);
    // As an engine leaves it; the daemon sets it only when it switches forwarding on.
    for (const family of families) run(program(family), ['-w', '-P', 'FORWARD', 'DROP']);
    const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
    const args = ['--firewall-generation', generation, '--ip6tables', 'true'];
    const daemon = await Daemon.start(folder, { args });
    t.teardown(async () => {
      await daemon.kill('SIGKILL');
      for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
    const named = (subnet: number) => ({ 'com.docker.network.bridge.name': `br-${subnet}` });
    const isRouted = mode === 'routed';
    const isOld = generation === 'docker17' || generation === 'docker20';
    const key = 'com.docker.network.bridge.gateway_mode_ipv';
    await create(daemon, 'two', 6, named(6));
    const bare = { 'tsbridge.iptables': 'false', 'tsbridge.ip6tables': 'false' };
    await create(daemon, 'bare', 4, { ...named(4), ...bare });
    t.same(own(), [], 'nothing of it while nobody asks for it');
    await create(daemon, 'one', 5, {
      ...named(5),
      ...(isRouted ? { [`${key}4`]: mode, [`${key}6`]: mode } : {}),
      'tsbridge.accept_from': '10.0.0.0/8, fd00::/8, dev:br-6',
    });
    // A network of Docker's own driver comes later, with the rules that its engine writes.
    const builtIn = makeNetwork(
      'br-b',
      '10.7.0.0/24',
      '10.7.0.1',
      {},
      {
        ipv6: { subnet: 'fd00:7::/64', gateway: 'fd00:7::1/64' },
      },
    );
    const writesIpv6 = generation !== 'docker17';
    for (const family of writesIpv6 ? families : [4 as const]) {
      const iptables = (...words: readonly string[]) => run(program(family), ['-w', ...words]);
      const rules = generations[generation].networkRules(builtIn, family, { userlandProxy: true });
      for (const { rule, place } of rules) {
        const words = ['-t', rule.table, place === 'end' ? '-A' : '-I', rule.chain];
        iptables(...words, ...rule.text.split(' '));
      }
      // The engine has its jumps on top again after each network.
      for (const jump of topJumps[generation]) {
        iptables('-D', 'FORWARD', '-j', jump);
        iptables('-I', 'FORWARD', '-j', jump);
      }
    }
    await must(daemon, 'ProgramExternalConnectivity', {
      ...idsOf(5),
      Options: {
        'com.docker.network.portmap': [
          { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 8080, HostPortEnd: 8080 },
        ],
      },
    });
    const check = async (title: string) => {
      const [host, ...networks] = await Promise.all(
        everywhere.map((where) => ask(where, ...questions)),
      );
      const asked = writesIpv6 ? [0, 1, 2, 3] : [0, 1];
      const only = (answers: readonly string[] = []) => asked.map((index) => answers[index]);
      t.same(only(host), only(['80', '81', '80', '81']), `${title}: another host is let in`);
      // In mode `routed`, Docker itself lets others reach published ports.
      const published = isRouted ? '80' : 'timeout';
      const closed = only([published, 'timeout', published, 'timeout']);
      for (const [index, answers] of networks.entries()) {
        const where = everywhere[index + 1];
        // Up to 27, Docker lets everybody whom it does not isolate reach published ports at the container's address.
        const isOpen = where === 'bare' && isOld;
        const expected = isOpen ? only(['80', 'timeout', '80', 'timeout']) : closed;
        t.same(only(answers), expected, `${title}: ${where} is not`);
      }
    };
    const kept = keptOut[generation];
    if (kept !== undefined) await comesTrue(() => run(program(4), ['-S']).includes(kept));
    await check('at first');
    if (generation === 'docker29') {
      const whole = own();
      for (const family of families) {
        const iptables = (...words: readonly string[]) => run(program(family), ['-w', ...words]);
        iptables('-t', 'raw', '-F', 'TSBRIDGE-ACCEPT');
        iptables('-I', 'TSBRIDGE-ACCEPT', '-j', 'ACCEPT');
      }
      await comesTrue(() => isDeepStrictEqual(own().sort(), whole.sort()));
      t.same(own().sort(), whole.sort(), 'repaired');
      await check('repaired');
    }
    await remove(daemon, 5);
    t.same(own(), [], 'nothing is left of it');
    await remove(daemon, 6);
    await remove(daemon, 4);
  });
}
