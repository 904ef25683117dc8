/**
 * `tsbridge.publish_from` with `tsbridge.port_rules=map` on the real kernel: the real daemon, a client in a namespace of its
 * own, and a look at the rules again and again while all of them are restored.
 */
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn, spawnSync } = await import('node:child_process');
const { mkdirSync, mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { fileURLToPath } = await import('node:url');
const { Daemon } = await import('../process/daemon.js');
const { Container } = await import('../process/mapped-container.js');

// /run/xtables.lock of our own, and a place for the names of namespaces.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
mkdirSync('/run/netns');

const answerer = fileURLToPath(new URL('../process/port-answers.mjs', import.meta.url));
const ip = (...args: readonly string[]) => run('ip', args);

for (const name of ['client', 'one']) {
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
}
ip('link', 'set', 'lo', 'up');
ip('link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'client');
for (const address of ['192.0.2.1/24', '2001:db8::1/64']) {
  ip('addr', 'add', address, 'dev', 'lan', 'nodad');
  ip('-n', 'client', 'addr', 'add', address.replace('1/', '2/'), 'dev', 'eth0', 'nodad');
}
ip('link', 'set', 'lan', 'up');
ip('-n', 'client', 'link', 'set', 'eth0', 'up');

/** What is answered: the number of the container's port, or why there is no answer. */
function asked(place: 'client' | 'host', ...questions: readonly string[]): string[] {
  const enter = place === 'host' ? [] : ['ip', 'netns', 'exec', place];
  const command = [...enter, process.execPath, answerer, 'ask', ...questions];
  const [file = '', ...args] = command;
  return JSON.parse(run(file, args)) as string[];
}

t.test('guards hold with the map, and come back before it', async (t) => {
  const server = spawn(
    'ip',
    ['netns', 'exec', 'one', process.execPath, answerer, 'serve', 'tcp/80'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise((resolve) => server.stdout?.once('data', resolve));
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const args = ['--firewall-generation', 'docker28', '--ip6tables', 'true'];
  let daemon = await Daemon.start(folder, { args });
  const restart = async (...more: readonly string[]): Promise<void> => {
    daemon.process.kill('SIGKILL');
    while (daemon.alive) await sleep(10);
    daemon = await Daemon.start(folder, { args: [...args, ...more] });
    one.daemon = daemon;
  };
  t.teardown(async () => {
    server.kill('SIGKILL');
    daemon.process.kill('SIGKILL');
    while (daemon.alive) await sleep(10);
    for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  const one = new Container(daemon, 'one');
  t.same(await one.create({ 'tsbridge.publish_from': '192.0.2.0/24' }), {});
  await one.join();
  t.same(await one.publish([[6, 8080, 80]]), {});

  const four = 'tcp/8080@192.0.2.1';
  const six = 'tcp/8080@2001:db8::1';
  const works = (title: string): void => {
    t.same(asked('client', four, six), ['80', 'timeout'], `${title}: who may, and nobody else`);
    t.same(asked('host', four, six), ['80', '80'], `${title}: the host`);
  };
  works('published');

  run('nft', ['flush', 'ruleset']);
  const isGuarded = (all: string) => /chain TSBRIDGE-PUBLISH-DROP \{[^}]*dport 80 /.test(all);
  const unguarded: string[] = [];
  let restored = false;
  for (let wait = 0; wait < 400 && !restored; wait += 1) {
    const all = run('nft', ['list', 'ruleset', 'ip6']);
    const isMapped = all.includes(':: . tcp . 8080');
    if (isMapped && !isGuarded(all)) unguarded.push(all);
    restored = isMapped && isGuarded(all);
    await sleep(20);
  }
  t.ok(restored, 'flushed, and repaired');
  t.same(unguarded, [], 'no element without its guard');
  works('repaired');

  const tables = () => run('nft', ['list', 'tables']).match(/^table ip6? tsbridge$/gm) ?? [];
  t.same(tables(), ['table ip tsbridge', 'table ip6 tsbridge']);
  await restart('--iptables=false');
  t.same(tables(), [], 'without rules the map goes');
  t.same(asked('client', four), ['ECONNREFUSED'], 'and no guard can be kept: shut');
  await restart();
  t.same(tables(), ['table ip tsbridge', 'table ip6 tsbridge']);
  works('rules on again');

  await one.remove();
  t.not(spawnSync('nft', ['list', 'table', 'ip6', 'tsbridge']).status, 0, 'no table is left');
  t.notMatch(run('ip6tables-save', []), /TSBRIDGE-/, 'nor a chain');
});
