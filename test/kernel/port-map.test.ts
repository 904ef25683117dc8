/**
 * `tsbridge.port_rules=map` on the real kernel: the real daemon, a client in a namespace of its own, two containers in
 * others, real connections, and what others do to the table.
 */
import type { ChildProcess } from 'node:child_process';
import type { Test } from 'tap';
import type { Daemon as DaemonType } from '../process/daemon.js';
import type { Ports } from '../process/mapped-container.js';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn, spawnSync } = await import('node:child_process');
const { existsSync, mkdirSync, mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');
const { Container } = await import('../process/mapped-container.js');
const { tableText } = await import('../../src/core/port-map/table-text.js');

// /run/xtables.lock of our own, and a place for the names of namespaces.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');

const answerer = fileURLToPath(new URL('../process/port-answers.mjs', import.meta.url));
const ip = (...args: readonly string[]) => run('ip', args);

for (const name of ['client', 'one', 'two']) {
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
}
// The host has two addresses; the client reaches both by one way.
ip('link', 'set', 'lo', 'up');
ip('link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'client');
for (const address of ['192.0.2.1/24', '192.0.2.11/24', '2001:db8::1/64']) {
  ip('addr', 'add', address, 'dev', 'lan', 'nodad');
}
ip('link', 'set', 'lan', 'up');
for (const address of ['192.0.2.2/24', '2001:db8::2/64']) {
  ip('-n', 'client', 'addr', 'add', address, 'dev', 'eth0', 'nodad');
}
ip('-n', 'client', 'link', 'set', 'eth0', 'up');

type Place = 'client' | 'host' | 'one' | 'two';

/** What is answered: the number of the container's port, or why there is no answer. */
function asked(place: Place, ...questions: readonly string[]): string[] {
  const command = [process.execPath, answerer, 'ask', ...questions];
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const [file = '', ...args] = [...enter, ...command];
  return JSON.parse(run(file, args)) as string[];
}

async function serve(name: string, ...ports: readonly string[]): Promise<ChildProcess> {
  const args = ['netns', 'exec', name, process.execPath, answerer, 'serve', ...ports];
  const server = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => server.stdout?.once('data', resolve));
  return server;
}

/** Not `Daemon.kill`, which waits for the end of its output: the proxy process lives on, and has it. */
async function end(daemon: DaemonType, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  daemon.process.kill(signal);
  while (daemon.alive) await sleep(10);
}

const families = ['ip', 'ip6'] as const;
/** As nft prints our table; undefined: there is none. */
function listing(family: (typeof families)[number]): string | undefined {
  const { status, stdout } = spawnSync('nft', ['list', 'table', family, 'tsbridge']);
  return status === 0 ? String(stdout) : undefined;
}
/** The elements of a set, sorted: `0.0.0.0 . tcp . 8080 : 10.1.0.2 . 80`. */
function elements(family: (typeof families)[number], set: string): string[] {
  const text = run('nft', ['list', set === 'ports' ? 'map' : 'set', family, 'tsbridge', set]);
  const [, list = ''] = /elements = \{([^}]*)\}/s.exec(text) ?? [];
  return list
    .split(',')
    .flatMap((each) => each.trim() || [])
    .sort();
}
/** Later versions of nft than 1.0.6 have a name for -99 at the output hook, too. */
const nameless = (text: string) => text.replace(/(output priority) dstnat \+ 1/, '$1 -99');
const withoutElements = (text = '') => nameless(text.replace(/\n\t\telements = \{[^}]*\}/gs, ''));
const saved = () => `${run('iptables-save', [])}${run('ip6tables-save', [])}`;
const rulesOf = (name: string) =>
  saved()
    .split('\n')
    .filter((line) => line.includes(name));

async function eventually(t: Test, holds: () => boolean, title: string): Promise<void> {
  for (let wait = 0; wait < 400 && !holds(); wait += 1) await sleep(50);
  t.ok(holds(), title);
}

/** Of a daemon; both go with the test, and what the containers had of it. */
function newFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  t.teardown(async () => {
    if (daemon?.alive) await end(daemon);
    for (const pid of daemon?.proxyPids() ?? []) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    for (const name of ['one', 'two']) {
      spawnSync('ip', ['-n', name, 'link', 'del', 'eth0']);
      spawnSync('ip', ['link', 'del', `br-${name}`]);
    }
  });
  return folder;
}

const servers = [
  await serve('one', 'tcp/80', 'tcp/81', 'udp/53', 'tcp/8500'),
  await serve('two', 'tcp/80', 'tcp/82', 'udp/53'),
];
let daemon: DaemonType | undefined;
t.teardown(() => {
  for (const server of servers) server.kill('SIGKILL');
});

const everything: Ports = [
  [6, 8080, 80],
  [17, 5353, 53],
  [6, 8081, 81, '192.0.2.11'],
  [6, 8082, 81, '127.0.0.1'],
  ...Array.from({ length: 20 }, (_, at) => [6, 8490 + at, 8490 + at] as const),
];

for (const [generation, userlandProxy] of [
  ['docker20', true],
  ['docker28', false],
  ['docker29', true],
] as const) {
  t.test(`${generation}, ${userlandProxy ? 'with' : 'without'} the proxy`, async (t) => {
    run('nft', ['flush', 'ruleset']);
    const args = [
      ...['--firewall-generation', generation, '--ip6tables', 'true'],
      `--userland-proxy=${userlandProxy}`,
    ];
    const folder = newFolder(t);
    daemon = await Daemon.start(folder, { args });
    const one = new Container(daemon, 'one');
    t.same(await one.create(), {});
    for (const [family, number] of [
      ['ip', 4],
      ['ip6', 6],
    ] as const) {
      t.equal(withoutElements(listing(family)), tableText(number), `the ${family} table`);
      t.same(elements(family, 'bridges'), userlandProxy ? ['"br-one"'] : []);
    }
    await one.join();
    const before = saved();
    t.same(await one.publish(everything), {});
    t.same(
      rulesOf('10.1.0.2')
        .filter((line) => !line.includes('-t raw'))
        .join('\n'),
      before
        .split('\n')
        .filter((line) => line.includes('10.1.0.2'))
        .join('\n'),
      'no rule of a port',
    );
    t.same(rulesOf('--ctstate DNAT'), [
      '-A DOCKER ! -i br-one -o br-one -m conntrack --ctstate DNAT -j ACCEPT',
      '-A DOCKER ! -i br-one -o br-one -m conntrack --ctstate DNAT -j ACCEPT',
    ]);
    const ports4 = elements('ip', 'ports');
    t.ok(ports4.includes('0.0.0.0 . tcp . 8080 : 10.1.0.2 . 80'), ports4.join('\n'));
    t.ok(ports4.includes('0.0.0.0 . udp . 5353 : 10.1.0.2 . 53'));
    t.ok(ports4.includes('192.0.2.11 . tcp . 8081 : 10.1.0.2 . 81'));
    t.equal(ports4.includes('127.0.0.0 . tcp . 8080 : 10.1.0.2 . 80'), !userlandProxy);
    t.equal(ports4.includes('127.0.0.1 . tcp . 8082 : 10.1.0.2 . 81'), !userlandProxy);
    t.ok(elements('ip6', 'ports').includes(':: . tcp . 8080 : fd00:1::2 . 80'));
    t.same(elements('ip', 'loopback'), ['127.0.0.1 . tcp . 8082']);
    t.same(elements('ip', 'itself'), userlandProxy ? [] : ['10.1.0.2 . 10.1.0.2']);

    const works = (title: string): void => {
      const all = (place: Place, wanted: Readonly<Record<string, string>>): void => {
        t.same(
          asked(place, ...Object.keys(wanted)),
          Object.values(wanted),
          `${title}: ${place} asks`,
        );
      };
      all('client', {
        'tcp/8080@192.0.2.1': '80',
        'tcp/8080@192.0.2.11': '80',
        'tcp/8080@2001:db8::1': '80',
        'udp/5353@192.0.2.1': '53',
        'udp/5353@2001:db8::1': '53',
        'tcp/8500@192.0.2.1': '8500',
        'tcp/8081@192.0.2.11': '81',
        'tcp/8081@192.0.2.1': 'ECONNREFUSED',
        'tcp/8082@192.0.2.1': 'ECONNREFUSED',
        'tcp/7999@192.0.2.1': 'ECONNREFUSED',
      });
      all('host', {
        'tcp/8080@127.0.0.1': '80',
        'tcp/8080@192.0.2.1': '80',
        'tcp/8080@2001:db8::1': '80',
        'tcp/8080@10.1.0.1': '80',
        'tcp/8082@127.0.0.1': '81',
        'udp/5353@127.0.0.1': '53',
        ...(userlandProxy ? { 'tcp/8080@::1': '80' } : {}),
      });
      // By the proxy, or by the map and a source address that the container has a route to.
      all('one', {
        'tcp/8080@192.0.2.1': '80',
        'udp/5353@192.0.2.1': '53',
        'tcp/8080@2001:db8::1': '80',
      });
    };
    works('published');

    const ruleset = () =>
      run('nft', ['-a', 'list', 'ruleset']).replace(/packets \d+ bytes \d+/g, '');
    const whole = ruleset();
    await end(daemon);
    daemon = await Daemon.start(folder, { args });
    one.daemon = daemon;
    t.equal(ruleset(), whole, 'a start takes over what is there, to the number of each rule');

    const tables = () => families.map((family) => listing(family));
    const sorted = () =>
      tables().map((text) =>
        text
          ?.split(/[\n,]\s*/)
          .sort()
          .join('\n'),
      );
    const published = sorted();
    for (const [title, ...commands] of [
      ['the table is deleted', 'delete table ip tsbridge'],
      ['the map is flushed', 'flush map ip tsbridge ports'],
      ['an element is deleted', 'delete element ip tsbridge ports { 0.0.0.0 . tcp . 8080 }'],
      ['a rule is added', 'insert rule ip6 tsbridge translate drop'],
      ['chains are flushed', 'flush table ip tsbridge'],
      ['a set is added', 'add set ip tsbridge mine { type ipv4_addr; }'],
      [
        'an element leads elsewhere',
        'delete element ip tsbridge ports { 0.0.0.0 . tcp . 8080 }',
        'add element ip tsbridge ports { 0.0.0.0 . tcp . 8080 : 10.1.0.9 . 80 }',
      ],
      [
        'a stranger is added',
        'add element ip tsbridge ports { 0.0.0.0 . tcp . 22 : 10.1.0.2 . 22 }',
      ],
      ['the table sleeps', 'add table ip tsbridge { flags dormant; }'],
      ['everything is flushed', 'flush ruleset'],
    ] as const) {
      // What others do is repaired in the same way whatever the generation.
      if (generation !== 'docker28') break;
      run('nft', [commands.join('; ')]);
      await eventually(
        t,
        () => JSON.stringify(sorted()) === JSON.stringify(published),
        `repaired: ${title}`,
      );
      await eventually(t, () => rulesOf('--ctstate DNAT').length === 2, 'with the rules');
    }
    works('repaired');

    // Another network shares the map; its containers are spared, or translated, as Docker's rules would have it.
    const two = new Container(daemon, 'two');
    t.same(await two.create(), {});
    await two.join();
    t.same(await two.publish([[6, 9080, 80]]), {});
    t.same(asked('client', 'tcp/9080@192.0.2.1', 'tcp/8080@192.0.2.1'), ['80', '80']);
    t.same(elements('ip', 'bridges'), userlandProxy ? ['"br-one"', '"br-two"'] : []);
    const across = asked('two', 'tcp/8080@192.0.2.1');
    t.same(across, [userlandProxy ? '80' : 'timeout'], 'from one network to the other');
    await two.remove();
    t.equal(JSON.stringify(sorted()), JSON.stringify(published), 'nothing is left of it');

    t.same(await one.call('RevokeExternalConnectivity'), {});
    for (const set of ['ports', 'itself', 'loopback', 'inside'])
      t.same(elements('ip', set), [], set);
    t.same(asked('client', 'tcp/8080@192.0.2.1'), ['ECONNREFUSED']);
    t.same(await one.publish(everything.slice(0, 2)), {});
    await one.remove();
    t.same(tables(), [undefined, undefined], 'the tables go with the last network');
    t.same(rulesOf('--ctstate DNAT'), []);
  });
}

t.test('iptables-legacy', { skip: !isInstalled('iptables-legacy') }, async (t) => {
  run('nft', ['flush', 'ruleset']);
  if (!existsSync('/proc/net/ip_tables_names')) return t.pass('the kernel has no legacy tables');
  // Which variant the daemon takes: the one that holds chains of Docker.
  run('iptables-legacy', ['-w', '-N', 'DOCKER']);
  daemon = await Daemon.start(newFolder(t), { args: ['--firewall-generation', 'docker20'] });
  const one = new Container(daemon, 'one');
  t.match(await one.create(), {
    Err: /tsbridge\.port_rules=map: this host uses iptables-legacy.* leave the option out/,
  });
  t.notOk(existsSync('/sys/class/net/br-one'), 'and nothing is changed');
  t.equal(listing('ip'), undefined);
});
