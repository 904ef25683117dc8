/** Every fault that `tsbridge doctor` knows, made on a small host and taken away again. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { checks } = await import('../../src/core/doctor/checks.js');
const { commands, DoctorHost } = await import('../doctor/host.js');
const { apply, faultsOf } = await import('../doctor/faults.js');

const host = await DoctorHost.make();
t.teardown(() => host.close());
const faults = faultsOf(host);

/** Whatever the test's own folder lies on. */
const ofThisMachine = ['state-in-memory', 'disk-full', 'disk-nearly-full'];
const skipped = ofThisMachine.map((code) => `--skip=${code}`);

/** Interfaces, routes, rules and settings, without counters and lifetimes. */
const everything = () =>
  [
    run('ip', ['-details', 'address']),
    run('ip', ['route', 'show', 'table', 'all']),
    ...['iptables-save', 'ip6tables-save', 'iptables-legacy-save'].map((file) => run(file, [])),
    run('nft', ['list', 'tables']),
    run('sysctl', ['-a', '--pattern', '^net\\.(ipv4|ipv6|bridge)\\.(ip_|conf|bridge)']),
  ]
    .join('\n')
    .replace(/^#.*$|\[\d+:\d+\]|\w+_lft \w+|\w+_timer +[\d.]+/gm, '');

t.test('a host without a fault', async (t) => {
  const before = everything();
  const { code, items, notDone } = await host.find(...skipped);
  t.strictSame({ code, items, notDone }, { code: 0, items: [], notDone: [] });
  t.match(await host.say(...skipped), { code: 0, err: '', out: /checks: 0 errors, 0 warnings/ });
  t.equal(everything(), before, 'nothing was changed');
});

for (const { code, make, undo, says = /./, args = [] } of faults) {
  t.test(code, async (t) => {
    const isOfMachine = ofThisMachine.includes(code);
    await apply(make);
    const { items } = await host.find(...args);
    const found = items.find((item) => item.code === code);
    t.ok(found, JSON.stringify(items.map((item) => item.code)));
    t.match(found?.evidence ?? '', says);
    await apply(undo);
    if (isOfMachine) return;
    const after = await host.find(...skipped);
    t.strictSame(after.items, [], 'it is gone with its cause');
  });
}

t.test('a cause hides what follows from it', async (t) => {
  commands('sysctl -qw net.ipv4.ip_forward=0');
  const { items } = await host.find(...skipped);
  const lost = items.filter(({ code }) => code === 'packets-lost');
  t.ok(lost.length > 0);
  t.ok(lost.every(({ followsFrom }) => followsFrom === 'ip-forward-off'));
  const said = await host.say(...skipped);
  t.equal(said.code, 3);
  t.match(said.out, /error ip-forward-off: this host/);
  t.match(said.out, / {2}do {5}sysctl -w net\.ipv4\.ip_forward=1\n/);
  t.notMatch(said.out, /packets-lost/);
  t.match((await host.say('--all', ...skipped)).out, /packets-lost/);
  t.match(await host.say('ip-forward-off', '--quiet'), { code: 3, out: '' });
  t.match(await host.say('mtu-uneven'), {
    code: 0,
    out: '1 checks: 0 errors, 0 warnings, 0 notices\n',
  });
  t.match(await host.say('--skip=ip-forward'), { code: 2, err: /did you mean ip-forward-off\?/ });
  commands('sysctl -qw net.ipv4.ip_forward=1');
});

t.test('the commands for a table of nft are the way out', async (t) => {
  const table = `table inet my {
    chain f { type filter hook forward priority 5; policy drop; ct state established accept; jump g; };
    chain g { ip saddr 172.20.0.0/16 reject; };
  }`.replaceAll('; };', ';\n }');
  run('nft', ['-f', '-'], `${table}\n`);
  const seen = new Set<string>();
  for (let left = 10; left > 0; left -= 1) {
    const { items } = await host.find(...skipped);
    const [item] = items.filter(({ code }) => code === 'native-table-drops');
    t.strictSame(
      items.filter(({ code }) => code !== 'native-table-drops'),
      [],
    );
    if (item === undefined) break;
    seen.add(item.object);
    execFileSync('sh', ['-c', item.command]);
  }
  t.strictSame([...seen].sort(), ['nft inet my f policy', 'nft inet my g rule 1']);
  t.match(await host.find(...skipped), { code: 0, items: [] });
  run('nft', ['delete', 'table', 'inet', 'my']);
});

t.test('what settles is not told, and hides nothing', async (t) => {
  host.status = { ...host.status, drift: { count: 1, first: ['+ rule'] } };
  let told = 0;
  host.onStatus = () => {
    told += 1;
    host.status = { ...host.status, drift: { count: 0, first: [] } };
  };
  t.strictSame((await host.find(...skipped)).items, []);
  t.ok(told > 1, 'asked again');
  host.onStatus = () => {};
});

t.test('names of others neither steer a terminal nor a shell', async (t) => {
  const name = '$(id)\u001b[1m';
  run('ip', ['link', 'add', name, 'type', 'bridge']);
  run('ip', ['address', 'add', '10.9.0.1/24', 'dev', name]);
  run('ip', ['link', 'set', name, 'up']);
  const { out } = await host.say(...skipped);
  t.match(out, /-A FORWARD -i '\$\(id\)\\u001b\[1m' -o eth0 -j ACCEPT/);
  t.notOk(out.includes('\u001b'));
  const [item] = (await host.find('forward-policy-drops-others')).items;
  const command = (item?.command ?? '').replaceAll(/ip6?tables-nft/g, 'printf %s\\\\n');
  const words = execFileSync('sh', ['-c', command], { encoding: 'utf8' }).split('\n');
  t.ok(words.includes(name), 'the shell takes it as one word');
  run('ip', ['link', 'delete', name]);
});

t.test('without the daemon and without the engine it says what it can', async (t) => {
  await host.stopDaemon();
  host.setEngine(join(host.folder, 'nobody.sock'));
  const { items } = await host.find(...skipped);
  t.strictSame(
    items.filter(({ followsFrom }) => followsFrom === null).map(({ code }) => code),
    ['daemon-down', 'engine-down'],
  );
  host.restoreEngine();
  await host.startDaemon();
});

t.test('every check has a fault here, or a test of its own beside the pure code', (t) => {
  const here = new Set(faults.map(({ code }) => code));
  const left = checks.map(({ code }) => code).filter((code) => !here.has(code));
  t.strictSame(left, [
    'kernel-too-old',
    'kernel-without-features',
    'starts-after-docker',
    'bridge-nearly-full',
    // On hosts with FRR: test/engine/hosts.test.ts.
    ...['frr-not-running', 'frr-not-announcing', 'frr-addresses-not-announced'],
    ...['frr-range-missing', 'frr-route-unseen'],
    'ufw-bypassed',
    'neighbours-full',
    'neighbours-nearly-full',
  ]);
  t.end();
});
