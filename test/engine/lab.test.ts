/**
 * The lab itself, with Docker's built-in driver: what the other engine tests stand on.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import t from 'tap';
import { ADDRESSES, Lab } from '../lab/lab.js';
import { sweep } from '../lab/namespaces.js';
import { NODE, until } from '../lab/process.js';

t.test('a published port of a bridge network, and nothing left after it', async (t) => {
  const lab = await Lab.create({ suite: 'bookworm' });
  t.teardown(() => lab.dispose());
  const before = await lab.snapshot();

  await lab.docker('network', 'create', '-d', 'bridge', 'app');
  await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
  await lab.run({ name: 'client', network: 'app' });

  const fromLan = await lab.ask('lan', ADDRESSES.host, 8080);
  t.match(fromLan, { name: 'web', peer: ADDRESSES.lan });
  t.match(await lab.askIn('client', 'web', 80), { name: 'web' });
  t.match(await lab.ask('host', '127.0.0.1', 8080), { name: 'web' });
  await t.rejects(lab.ask('lan', ADDRESSES.host, 8081), /ECONNREFUSED/);

  const world = await lab.serve('lan', 'tcp/9000', `udp/9000@${ADDRESSES.world}`);
  const client = await lab.container('client');
  for (const proto of ['tcp', 'udp'] as const) {
    const answer = await lab.ask(client, ADDRESSES.world, 9000, { proto });
    t.equal(answer.peer, ADDRESSES.host, `masqueraded over ${proto}`);
  }
  await world.kill();

  t.not(await lab.leftovers(before, 0), [], 'the snapshot sees the network');
  await lab.docker('rm', '-f', 'web', 'client');
  await lab.docker('network', 'rm', 'app');
  t.strictSame(await lab.leftovers(before), []);
});

t.test('two labs at once do not see each other', async (t) => {
  const labs = await Promise.all([
    Lab.create({ suite: 'bookworm' }),
    Lab.create({ suite: 'bookworm', iptables: 'legacy' }),
  ]);
  t.teardown(() => Promise.all(labs.map((lab) => lab.dispose())));
  const versions = await Promise.all(labs.map((lab) => lab.hostNs('iptables', '-V')));
  t.match(versions[0], /nf_tables/);
  t.match(versions[1], /legacy/);
  await Promise.all(
    labs.map(async (lab, index) => {
      await lab.run({ name: `web${index}`, publish: ['8080:80'], serve: ['tcp/80'] });
      t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: `web${index}` });
      t.equal(await lab.docker('ps', '--format', '{{.Names}}'), `web${index}`);
    }),
  );
});

t.test('containers survive the engine with live-restore', async (t) => {
  const lab = await Lab.create({ suite: 'bookworm', liveRestore: true });
  t.teardown(() => lab.dispose());
  await lab.run({ name: 'web', publish: ['8080:80'], serve: ['tcp/80'] });
  await lab.killDockerd('SIGKILL');
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'without an engine');
  await lab.startDockerd();
  t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' }, 'after its return');
});

t.test('a lab ends with its owner, even by SIGKILL', async (t) => {
  const script = `
    import { Lab } from './test/lab/lab.ts';
    const lab = await Lab.create();
    await lab.run({ name: 'web', publish: ['8080:80'] });
    console.log(lab.namespaces.init, lab.namespaces.name);
    setInterval(() => {}, 1000);`;
  const [command = '', ...env] = NODE;
  const args = [...env, '--import=tsx', '--input-type=module', '-e', script];
  const owner = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(owner.stdout, 'data')) as [Buffer];
  const [init = '', name = ''] = line.toString().trim().split(' ');
  t.ok(existsSync(`/proc/${init}`), 'it runs');
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  await until('its end', () => !existsSync(`/proc/${init}`) || undefined, 60_000);
  // A cgroup is busy for a moment while its last process ends, and others' may go while they are listed.
  const found = [tmpdir(), '/sys/fs/cgroup'].map(
    (folder) => ['find', folder, '-maxdepth', '2', '-name', `*${name}*`] as const,
  );
  await until('the next lab to sweep its directory and cgroups away', () => {
    sweep();
    const left = found.map(([find, ...rest]) => spawnSync(find, rest, { encoding: 'utf8' }).stdout);
    return left.join('') === '' || undefined;
  });
});
