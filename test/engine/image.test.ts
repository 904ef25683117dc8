/** The image: built by a real engine from this repository's Dockerfile, and run as that file says. */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { ADDRESSES, Lab } from '../lab/lab.js';
import { REPOSITORY } from '../lab/namespaces.js';
import { LAB_ENV, run, until } from '../lab/process.js';
import { openRegistries } from '../lab/registries.js';

/** The commands at the head of the Dockerfile that follow `docker build`, as words. */
function documentedCommands(): string[][] {
  const head = readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8').split('\n#\n')[1] ?? '';
  const [, ...commands] = head.replaceAll(/\\\n#/g, '').split('\n');
  return commands.map((line) => line.replace(/^# +/, '').trim().split(/\s+/));
}

/**
 * A machine whose root is without CAP_SYS_RESOURCE (24) gives no container more descriptors than it may have
 * itself; everything else of the command is taken literally.
 */
function withinLimits(word: string): string {
  const wanted = /^nofile=(\d+)$/.exec(word)?.[1];
  if (wanted === undefined) return word;
  const capabilities = /^CapEff:\s+(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (((BigInt(`0x${capabilities}`) >> 24n) & 1n) === 1n) return word;
  const own = /^Max open files +\d+ +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return `nofile=${Math.min(Number(wanted), Number(own))}`;
}

/** The folder of this machine's npm, of whichever Node.js. */
function npmFolder(): string {
  const programs = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'npm'));
  const program = programs.find((path) => existsSync(path));
  if (program === undefined) throw new Error('npm is needed');
  return dirname(dirname(realpathSync(program)));
}

/**
 * No registry of images can be reached: the engine's own root, with this machine's npm and certificates, is the
 * base of both stages.
 */
async function importBase(lab: Lab): Promise<void> {
  const more = '/tmp/more';
  const at = (inside: string) => lab.path(join(more, inside));
  await lab.hostNs('mkdir', '-p', `${more}/usr/local/bin`, `${more}/usr/local/lib`);
  await lab.hostNs('install', '-d', '-m', '1777', `${more}/tmp`);
  await run(['cp', '-R', npmFolder(), at('usr/local/lib/npm')]);
  await lab.hostNs('ln', '-s', '../lib/npm/bin/npm-cli.js', `${more}/usr/local/bin/npm`);
  // The lab has the program by a mount, so that it is not in the engine's root.
  await run(['cp', process.execPath, at('usr/local/bin/node')]);
  const certificates = '/etc/ssl/certs/ca-certificates.crt';
  if (existsSync(certificates)) await run(['cp', certificates, at('usr/local/lib/npm/ca.crt')]);
  const pack = [
    ...['tar', '-cf', '/tmp/base.tar', '--exclude=usr/bin/node', '--exclude=usr/bin/docker*'],
    ...['--exclude=usr/sbin/docker*', '--exclude=usr/bin/containerd*', '--exclude=usr/sbin/runc'],
    ...['-C', '/', 'bin', 'sbin', 'lib', 'lib64', 'usr', 'etc', 'var/run', 'var/lib/dpkg'],
    // No folder twice: the engine refuses that.
    ...['-C', more, 'usr/local/bin/node', 'usr/local/bin/npm', 'usr/local/lib/npm', 'tmp'],
  ];
  await lab.hostNs(...pack);
  // npm leaves it alone where the file is missing.
  const environment = 'ENV NODE_EXTRA_CA_CERTS=/usr/local/lib/npm/ca.crt';
  await lab.docker('import', '-c', environment, '/tmp/base.tar', 'base');
  await lab.hostNs('rm', '-rf', '/tmp/base.tar', more);
}

async function buildImage(lab: Lab): Promise<void> {
  await importBase(lab);
  const registries = await openRegistries(lab.namespaces);
  try {
    const settings = [`https_proxy=${registries.url}`, 'BASE=base', 'BUILD_BASE=base'];
    await lab.engine.dockerWith(
      // Debian packs the builder that replaced this one apart from the engine.
      { timeoutMs: 600_000, env: { ...LAB_ENV, DOCKER_BUILDKIT: '0' } },
      ...['build', '--network', 'host', '-t', 'tsbridge'],
      ...settings.flatMap((setting) => ['--build-arg', setting]),
      '/opt/tsbridge',
    );
  } finally {
    await registries.close();
  }
}

t.test('the image is built, runs as documented, and serves a network', async (t) => {
  const lab = await Lab.create({ suite: 'forky', dockerd: false });
  t.teardown(() => lab.dispose());
  try {
    // As systemd leaves it: what the engine mounts later is seen through a volume with rslave.
    await lab.hostNs('mount', '--make-rshared', '/');
    await lab.startDockerd();
    await buildImage(lab);
    const before = await lab.snapshot();

    for (const command of documentedCommands()) await lab.hostNs(...command.map(withinLimits));
    const version = await lab.docker('exec', 'tsbridge', 'tsbridge', '--version');
    t.match(
      version,
      JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')).version,
      'the command runs inside',
    );
    await until('the network driver', () =>
      lab.docker('network', 'create', '-d', 'tsbridge', 'app').catch(() => undefined),
    );
    await lab.run({ name: 'web', network: 'app', publish: ['8080:80'], serve: ['tcp/80'] });
    await lab.run({ name: 'client', network: 'app' });
    const fromLan = await lab.ask('lan', ADDRESSES.host, 8080);
    t.match(fromLan, { name: 'web', peer: ADDRESSES.lan }, 'another host is seen as itself');
    t.match(await lab.ask('host', '127.0.0.1', 8080), { name: 'web' }, 'the proxy process');
    t.match(await lab.askIn('client', 'web', 80), { name: 'web' }, 'containers reach each other');
    // Its status is 0 only if nothing is degraded or has to be repaired.
    const status = await lab.docker('exec', 'tsbridge', 'tsbridge', 'status');
    t.match(status, /state +serving/, 'nothing is degraded');
    const sandbox = await lab.docker('inspect', '-f', '{{.NetworkSettings.SandboxKey}}', 'web');
    const identity = ['stat', '-L', '-c', '%d:%i', sandbox];
    t.equal(
      await lab.docker('exec', 'tsbridge', ...identity),
      (await lab.hostNs(...identity)).trim(),
      'it sees the network namespaces of containers that start after it',
    );

    await lab.docker('restart', 'tsbridge');
    await until('the published port, at 127.0.0.1', () =>
      lab.ask('host', '127.0.0.1', 8080).catch(() => undefined),
    );
    await lab.docker('rm', '-f', 'web', 'client');
    await lab.docker('network', 'rm', 'app');
    await t.rejects(lab.ask('lan', ADDRESSES.host, 8080), 'the port is closed');
    await lab.docker('stop', 'tsbridge');
    const end = await lab.docker('inspect', '-f', '{{.State.ExitCode}}', 'tsbridge');
    t.equal(end, '0', 'it ends when it is told to');
    await lab.docker('rm', 'tsbridge');
    // Its lock and the socket of the process that held ports: both ended with the container.
    await lab.hostNs('rm', '-r', '/run/tsbridge');
    t.strictSame(await lab.leftovers(before), [], 'nothing else is left');
  } finally {
    if (!t.passing()) {
      console.error(await lab.docker('logs', 'tsbridge').catch(String));
      lab.printLogs();
    }
  }
});
