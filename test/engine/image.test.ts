/** The image, as scripts/package makes it and as real engines build it from the Dockerfile: run as that file says. */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { architectures } from '../../packaging/architectures.js';
import { buildImage } from '../../packaging/image.js';
import { readRelease } from '../../packaging/release.js';
import { stageFiles } from '../../packaging/stage.js';
import { refusal } from '../lab/bare-host.js';
import { Lab } from '../lab/lab.js';
import { REPOSITORY } from '../lab/namespaces.js';
import { LAB_ENV, run } from '../lab/process.js';
import { openRegistries } from '../lab/registries.js';
import { seesSandbox, tour } from '../lab/tour.js';

const folder = mkdtempSync(join(tmpdir(), 'tsbridge-image-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const release = await readRelease();

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

async function buildFromDockerfile(lab: Lab): Promise<void> {
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

/** Runs the image `tsbridge` as documented and removes the container. */
async function tourOfContainer(t: Test, lab: Lab): Promise<void> {
  const before = await lab.snapshot();
  for (const command of documentedCommands()) await lab.hostNs(...command.map(withinLimits));
  const inside = (...command: string[]) => lab.docker('exec', 'tsbridge', ...command);
  t.equal(await inside('tsbridge', '--version'), release.version, 'the command runs inside');
  await tour(t, lab, {
    driver: 'tsbridge',
    command: (...args) => inside('tsbridge', ...args),
    meanwhile: () => seesSandbox(t, lab, inside),
    restart: async () => {
      await lab.docker('restart', 'tsbridge');
    },
  });
  await lab.docker('stop', 'tsbridge');
  const end = await lab.docker('inspect', '-f', '{{.State.ExitCode}}', 'tsbridge');
  t.equal(end, '0', 'it ends when it is told to');
  await lab.docker('rm', 'tsbridge');
  // Its lock and the socket of the process that held ports: both ended with the container.
  await lab.hostNs('rm', '-r', '/run/tsbridge');
  t.strictSame(await lab.leftovers(before), [], 'nothing else is left');
}

/** The image that scripts/package makes. */
async function packagedImage(): Promise<string> {
  const own = architectures.find(({ npm }) => npm === `linux-${process.arch}`);
  if (own === undefined) throw new Error(`no image for ${process.arch}`);
  const stage = join(folder, 'stage');
  await stageFiles(release, own, stage, join(folder, 'cache'));
  return await buildImage(release, own, stage, folder, 'quick');
}

const packaged = await packagedImage();

for (const suite of ['bookworm', 'forky'] as const) {
  t.test(`${suite}: an image runs as documented and serves a network`, async (t) => {
    const lab = await Lab.create({ suite, dockerd: false });
    t.teardown(() => lab.dispose());
    try {
      // As systemd leaves it: what the engine mounts later is seen through a volume with rslave.
      await lab.hostNs('mount', '--make-rshared', '/');
      await lab.startDockerd();
      await run(['cp', packaged, lab.path('/tmp/image.tar')]);
      const loaded = await lab.docker('load', '-i', '/tmp/image.tar');
      await lab.hostNs('rm', '/tmp/image.tar');
      t.match(loaded, `Loaded image: tsbridge:${release.version}`);
      await lab.docker('tag', `tsbridge:${release.version}`, 'tsbridge');
      const sealed = ['sh', '-c', 'echo >/usr/lib/tsbridge/dist/main.js'];
      const attempt = ['run', '--rm', '--cap-drop', 'ALL', '--entrypoint', ...sealed.slice(0, 1)];
      const said = await refusal(lab.docker(...attempt, 'tsbridge', ...sealed.slice(1)));
      t.match(said, 'Permission denied', 'what it is made of cannot be written by root either');
      await tourOfContainer(t, lab);
      if (suite === 'forky') {
        await lab.docker('rmi', 'tsbridge', `tsbridge:${release.version}`);
        await buildFromDockerfile(lab);
        await tourOfContainer(t, lab);
      }
    } finally {
      if (!t.passing()) {
        console.error(await lab.docker('logs', 'tsbridge').catch(String));
        lab.printLogs();
      }
    }
  });
}
