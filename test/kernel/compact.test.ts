/**
 * `tsbridge.port_rules=compact` on the real kernel: the real daemon, a client in a namespace of its
 * own, a container in another, and connections through the ends and the middle of each run.
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import type { Test } from 'tap';
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn, spawnSync } = await import('node:child_process');
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
const variants = (['nft', 'legacy'] as const).filter(
  (variant) =>
    isInstalled(`iptables-${variant}`) &&
    (variant === 'nft' || existsSync('/proc/net/ip_tables_names')),
);

for (const name of ['client', 'container']) ip('netns', 'add', name);
// The host has two addresses; the client reaches both by one way.
ip('link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'client');
for (const address of ['192.0.2.1/24', '192.0.2.11/24', '2001:db8::1/64']) {
  ip('addr', 'add', address, 'dev', 'lan', 'nodad');
}
ip('link', 'set', 'lan', 'up');
for (const address of ['192.0.2.2/24', '2001:db8::2/64']) {
  ip('-n', 'client', 'addr', 'add', address, 'dev', 'eth0', 'nodad');
}
ip('-n', 'client', 'link', 'set', 'eth0', 'up');
ip('-n', 'client', 'link', 'set', 'lo', 'up');
ip('-n', 'container', 'link', 'set', 'lo', 'up');

type Ports = readonly (readonly [protocol: number, host: number, container: number])[];

const span = (protocol: number, first: number, last: number, shift = 0): Ports =>
  Array.from({ length: last - first + 1 }, (_, index) => [
    protocol,
    first + index,
    first + index + shift,
  ]);

const portMap = (ports: Ports) => ({
  'com.docker.network.portmap': ports.map(([Proto, HostPort, Port]) => {
    return { Proto, IP: '', Port, HostIP: '', HostPort, HostPortEnd: HostPort };
  }),
});

/** A network of one container, whose end of the pair is where the engine would have put it. */
class Container {
  readonly ids = { NetworkID: '7'.repeat(64), EndpointID: 'fedcba9876543210'.repeat(4) };

  constructor(readonly daemon: DaemonType) {}

  async call(method: string, body: object): Promise<Record<string, unknown>> {
    return this.daemon.call(method, { ...this.ids, ...body });
  }

  async create(kind: string): Promise<void> {
    const Options = {
      'com.docker.network.enable_ipv6': true,
      'com.docker.network.generic': {
        'com.docker.network.bridge.name': 'br-x',
        'tsbridge.port_rules': kind,
      },
    };
    await this.#must('CreateNetwork', {
      Options,
      IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' }],
      IPv6Data: [{ AddressSpace: 'LocalDefault', Pool: 'fd00:5::/64', Gateway: 'fd00:5::1/64' }],
    });
    const Interface = { Address: '10.5.0.2/24', AddressIPv6: 'fd00:5::2/64' };
    await this.#must('CreateEndpoint', { Interface, Options: {} });
    const { InterfaceName } = await this.#must('Join', { SandboxKey: '/run/netns/container' });
    const { SrcName } = InterfaceName as { SrcName: string };
    ip('link', 'set', SrcName, 'netns', 'container', 'name', 'eth0');
    ip('-n', 'container', 'addr', 'add', Interface.Address, 'dev', 'eth0');
    ip('-n', 'container', 'addr', 'add', Interface.AddressIPv6, 'dev', 'eth0', 'nodad');
    ip('-n', 'container', 'link', 'set', 'eth0', 'up');
    ip('-n', 'container', 'route', 'add', 'default', 'via', '10.5.0.1');
    ip('-n', 'container', '-6', 'route', 'add', 'default', 'via', 'fd00:5::1');
  }

  publish(ports: Ports): Promise<Record<string, unknown>> {
    return this.call('ProgramExternalConnectivity', { Options: portMap(ports) });
  }

  async remove(): Promise<void> {
    for (const method of ['Leave', 'DeleteEndpoint', 'DeleteNetwork']) await this.#must(method, {});
    while (existsSync('/sys/class/net/br-x')) await sleep(10);
  }

  async #must(method: string, body: object): Promise<Record<string, unknown>> {
    const answer = await this.call(method, body);
    if (answer.Err !== undefined) throw new Error(`${method}: ${answer.Err}`);
    return answer;
  }
}

/** What the container answers: the number of its own port, or why there is no answer. */
async function asked(place: 'client' | 'host', ...questions: readonly string[]): Promise<string[]> {
  const command = [process.execPath, answerer, 'ask', ...questions];
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const [file = '', ...args] = [...enter, ...command];
  return JSON.parse(run(file, args)) as string[];
}

/** Not `Daemon.kill`, which waits for the end of its output: the proxy process lives on, and has it. */
async function end(daemon: DaemonType): Promise<void> {
  daemon.process.kill('SIGKILL');
  while (daemon.alive) await sleep(10);
}

/** Servers of the container for these ports. */
async function serve(...ports: readonly string[]): Promise<ChildProcess> {
  const args = ['netns', 'exec', 'container', process.execPath, answerer, 'serve', ...ports];
  const server = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => server.stdout?.once('data', resolve));
  return server;
}

for (const variant of variants) {
  // Without rules for IPv6 the proxy carries it.
  const families =
    spawnSync(`ip6tables-${variant}`, ['-w', '-t', 'nat', '-S']).status === 0 ? 2 : 1;
  const save = (six = '') => run(`ip${six}tables-${variant}-save`, []);
  const rules = () => listing(parseSave(`${save()}${save('6')}`));
  const ofContainer = () =>
    `${save()}${save('6')}`.split('\n').filter((line) => /10\.5\.0\.2\b|fd00:5::2\b/.test(line));

  t.test(variant, async (t) => {
    run('nft', ['flush', 'ruleset']);
    // Which variant the daemon takes: the one that holds chains of Docker.
    for (const six of ['', '6'].slice(0, families)) {
      run(`ip${six}tables-${variant}`, ['-w', '-N', 'DOCKER']);
    }
    const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
    const args = ['--firewall-generation', 'docker20', '--ip6tables', 'true'];
    let daemon = await Daemon.start(folder, { args });
    const server = await serve('tcp/8000', 'tcp/8001', 'tcp/8500', 'tcp/8999', 'udp/9050');
    t.teardown(async () => {
      server.kill('SIGKILL');
      await end(daemon);
      for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      for (const six of ['', '6'].slice(0, families)) {
        const tables = ['raw', 'mangle', 'nat', 'filter'];
        const empty = tables.map((table) => `*${table}\nCOMMIT\n`).join('');
        run(`ip${six}tables-${variant}-restore`, ['-w'], empty);
      }
    });
    const container = new Container(daemon);
    await container.create('compact');
    const before = rules();
    const ports = [...span(6, 8000, 8999), ...span(17, 9000, 9099), ...span(6, 7000, 7000, 1001)];
    t.same(await container.publish(ports), {});
    t.equal(ofContainer().length, 9 * families, 'three rules for each run and family');
    t.match(
      ofContainer().join('\n'),
      /-A DOCKER ! -i br-x -p tcp -m tcp --dport 8000:8999 -j DNAT --to-destination 10\.5\.0\.2\n/,
    );

    const check = async (t: Test, title: string): Promise<void> => {
      const ends = ['8000', '8500', '8999', '7000'];
      const wanted = ['8000', '8500', '8999', '8001'];
      for (const [place, host] of [
        ['client', '192.0.2.1'],
        ['client', '2001:db8::1'],
        ['host', '127.0.0.1'],
        ['host', '::1'],
      ] as const) {
        const answers = await asked(place, ...ends.map((port) => `tcp/${port}@${host}`));
        t.same(answers, wanted, `${title}: ${place} asks ${host}`);
      }
      t.same(await asked('client', 'udp/9050@192.0.2.1'), ['9050'], `${title}: UDP`);
      const outside = await asked('client', 'tcp/7999@192.0.2.1', 'tcp/9000@192.0.2.1');
      t.same(outside, ['ECONNREFUSED', 'ECONNREFUSED'], `${title}: beside the run`);
    };
    await check(t, 'published');
    t.same(
      await asked('client', 'tcp/8000@192.0.2.1+40000', 'tcp/8000@192.0.2.11+40000'),
      ['8000', '8000'],
      'one source port to two addresses of the host',
    );

    const published = rules();
    const ruleset = run('nft', ['-a', 'list', 'ruleset']).replace(/packets \d+ bytes \d+/g, '');
    await end(daemon);
    daemon = await Daemon.start(folder, { args });
    t.same(
      run('nft', ['-a', 'list', 'ruleset']).replace(/packets \d+ bytes \d+/g, ''),
      ruleset,
      'a start takes over what is there, to the number of each rule',
    );
    await check(t, 'taken over');

    for (const six of ['', '6'].slice(0, families)) {
      for (const table of ['filter', 'nat']) {
        run(`ip${six}tables-${variant}`, ['-w', '-t', table, '-F']);
      }
    }
    const repaired = async (wanted: () => unknown, expected: unknown): Promise<void> => {
      for (let wait = 0; wait < 200 && !isDeepStrictEqual(wanted(), expected); wait += 1) {
        await sleep(50);
      }
      t.same(wanted(), expected);
    };
    await repaired(rules, published);
    await check(t, 'repaired');
    const lines = ofContainer().sort();
    const [translation = ''] = ofContainer().filter((line) => /8000:8999 -j DNAT/.test(line));
    run(`iptables-${variant}`, ['-w', '-t', 'nat', ...translation.split(' ')]);
    // One of the two goes; which, does not matter here.
    await repaired(() => ofContainer().sort(), lines);

    const after = new Container(daemon);
    t.same(await after.call('RevokeExternalConnectivity', {}), {});
    t.same(rules(), before, 'nothing is left');
    t.same(await asked('client', 'tcp/8500@192.0.2.1'), ['ECONNREFUSED']);

    // Rules that this daemon has added, and knows the numbers of.
    t.same(await after.publish(ports), {});
    const monitor = spawn('nft', ['monitor'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let seen = '';
    monitor.stdout.on('data', (text) => {
      seen += String(text);
    });
    const change = (op: string) => run('nft', [op, 'table', 'inet', 'marker']);
    const told = async (what: RegExp): Promise<void> => {
      while (!what.test(seen)) await sleep(20);
    };
    // nft does not say when it begins to listen, so a table is added and deleted until it tells of it.
    for (let listens = variant !== 'nft'; !listens; listens = seen.includes('new generation')) {
      for (const op of ['add', 'delete']) change(op);
      await sleep(20);
    }
    if (variant === 'nft') {
      change('add');
      run('nft', ['add chain inet marker last; delete table inet marker']);
      await told(/add chain inet marker last\n(?:.*\n)*?# new generation/);
      // The daemon reads what the kernel has reported to it before it answers.
      for (let turn = 0; turn < 2; turn += 1) await daemon.call('GetCapabilities', {});
      seen = '';
    }
    t.same(await after.call('RevokeExternalConnectivity', {}), {});
    t.same(rules(), before);
    if (variant === 'nft') {
      await told(/new generation/);
      // The kernel names the thread that sent it.
      const threads = readdirSync(`/proc/${daemon.pid}/task`);
      const authors = new Set([...seen.matchAll(/by process (\d+) /g)].map(([, id]) => id ?? ''));
      t.ok(authors.size > 0);
      t.same(
        [...authors].filter((id) => !threads.includes(id)),
        [],
        'deleted by the daemon itself',
      );
    }
    monitor.kill();

    t.match(await after.publish(span(6, 9000, 9099, -1000)), {
      Err: /host ports 9000-9099 for container ports 8000-8099\/tcp: .*neighbouring port/,
    });
    t.same(rules(), before, 'and nothing is left of it');
    await after.remove();

    const shifted = new Container(daemon);
    await shifted.create('compact-shifted');
    t.same(await shifted.publish(span(6, 18_000, 18_999, -10_000)), {});
    t.equal(ofContainer().length, 3 * families);
    for (const host of ['192.0.2.1', '2001:db8::1']) {
      const ends = ['18000', '18500', '18999'].map((port) => `tcp/${port}@${host}`);
      t.same(await asked('client', ...ends), ['8000', '8500', '8999'], 'other numbers');
    }
    const clash = ['tcp/18000@192.0.2.1+40000', 'tcp/18000@192.0.2.11+40000'];
    t.same(await asked('client', ...clash), ['8000', '8001'], 'why it is not the default');
    await shifted.remove();
    t.same(ofContainer(), []);
  });
}
