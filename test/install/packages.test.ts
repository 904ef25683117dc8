/** What the packages hold, before it is compressed; and that it runs from wherever it is unpacked. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { architectures } from '../../packaging/architectures.js';
import { readLock } from '../../packaging/base/lock.js';
import { libraries } from '../../packaging/deb.js';
import { buildNpmPackage } from '../../packaging/npm-package.js';
import { readRelease } from '../../packaging/release.js';
import { withPackages } from '../../packaging/sbom.js';
import { runtimeFlags, stageFiles } from '../../packaging/stage.js';
import { fieldNames, fields, fileKey } from '../../src/config/fields.js';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'tsbridge-packages-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const release = await readRelease();
// The one that this machine can run.
const own = architectures.find(({ npm }) => npm === `linux-${process.arch}`);
if (own === undefined) throw new Error(`no packages for ${process.arch}`);
const stage = join(folder, 'stage');
await stageFiles(release, own, stage, join(folder, 'cache'));

/** Every file: path, mode, time, and hash or target. */
function listing(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = lstatSync(join(root, name));
      const content = stat.isSymbolicLink()
        ? readlinkSync(join(root, name))
        : stat.isFile()
          ? createHash('sha256')
              .update(readFileSync(join(root, name)))
              .digest('hex')
          : '';
      return `${(stat.mode & 0o7777).toString(8)} ${stat.mtimeMs / 1000} ${name} ${content}`;
    });
}

t.test('a package made twice is the same, file by file, whatever the umask', async (t) => {
  const again = join(folder, 'again');
  const umask = process.umask(0o077);
  await stageFiles(release, own, again, join(folder, 'cache')).finally(() => process.umask(umask));
  t.strictSame(listing(again), listing(stage));
  t.equal(lstatSync(again).mode & 0o777, 0o755, 'the folder is the root of the host');
});

t.test('the packaged command runs with the packaged Node.js wherever it is unpacked', async (t) => {
  const moved = join(folder, 'moved away');
  cpSync(stage, moved, { recursive: true, verbatimSymlinks: true });
  const env = { PATH: '/usr/bin:/bin' };
  const version = await run(join(moved, 'usr/bin/tsbridge'), ['--version'], { env });
  t.equal(version.stdout, `${release.version}\n`);
  // Loads the libraries with binaries, and gets as far as the folder of the records.
  const daemon = run(join(moved, 'usr/bin/tsbridge'), ['daemon', '--state-dir=/etc/passwd/none'], {
    env,
  });
  const failed = await daemon.then(
    () => ({ stdout: '', stderr: 'it ran' }),
    (error: { stdout: string; stderr: string }) => error,
  );
  t.match(failed.stdout + failed.stderr, '/etc/passwd/none');
  t.notMatch(failed.stdout + failed.stderr, /ERR_|Cannot find/);
});

t.test('what npm packs installs by itself, with a Node.js of its own', async (t) => {
  const file = await buildNpmPackage(release.root, folder);
  const prefix = join(folder, 'npm');
  const flags = ['--global', '--prefix', prefix, '--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...flags, file]);
  const bare = join(folder, 'bare');
  mkdirSync(bare);
  for (const program of ['sh', 'dirname', 'readlink']) {
    symlinkSync(`/usr/bin/${program}`, join(bare, program));
  }
  const env = { PATH: bare };
  const { stdout } = await run(join(prefix, 'bin/tsbridge'), ['--version'], { env });
  t.equal(stdout, `${release.version}\n`);
  const launcher = readFileSync(join(release.root, 'bin/tsbridge'), 'utf8');
  t.match(
    launcher,
    `exec "$node" ${runtimeFlags(release.root)} "$here`,
    'with the flags of the unit',
  );
  const installed = join(prefix, 'lib/node_modules/tsbridge');
  t.ok(lstatSync(join(installed, 'systemd/tsbridge.service')).isFile());
  // `npm install` in this folder runs `prepare`.
  await run('npm', ['run', '--silent', 'prepare'], { cwd: installed });
  rmSync(installed, { recursive: true });
});

t.test('units of a package start what the package has', async (t) => {
  const unit = readFileSync(join(stage, 'usr/lib/systemd/system/tsbridge.service'), 'utf8');
  const [, start = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
  const words = start.split(' ');
  t.equal(words.at(-1), 'daemon');
  for (const word of words.filter((each) => each.startsWith('/'))) {
    t.ok(lstatSync(join(stage, word)).isFile(), word);
  }
  t.notMatch(unit, '/usr/local');
});

t.test('binaries in a package are for its own architecture alone', async (t) => {
  const binaries = readdirSync(stage, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.node'),
  );
  t.equal(binaries.length, 1, binaries.join(', '));
  for (const name of binaries) t.match(name.replace('_', '-'), own.npm);
});

t.test('the Debian package asks for the libraries of its runtime, and for no other', async (t) => {
  const program = 'console.log(JSON.stringify(process.report.getReport().sharedObjects))';
  const { stdout } = await run(join(stage, 'usr/lib/tsbridge/bin/node'), ['-e', program]);
  const packageOf = (file: string): string[] => {
    if (/^(libc|libm|libdl|libpthread|ld-linux-.*)\.so/.test(file)) return ['libc6'];
    if (file.startsWith('libgcc_s.so.1')) return ['libgcc-s1'];
    if (file.startsWith('libstdc++.so.6')) return ['libstdc++6'];
    // The vDSO is the kernel's own and lies in no file.
    return file === 'linux-vdso.so.1' ? [] : [`the package of ${file}`];
  };
  const loaded = (JSON.parse(stdout) as string[]).map((path) => basename(path)).flatMap(packageOf);
  const named = libraries.map((name) => name.replace(/ .*/, ''));
  t.strictSame([...new Set(loaded)].sort(), named.sort());
});

t.test('the list of components names the runtime and every bundled library once', async (t) => {
  const text = readFileSync(join(stage, 'usr/share/doc/tsbridge/sbom.cdx.json'), 'utf8');
  const { bomFormat, components, serialNumber } = JSON.parse(text) as {
    bomFormat: string;
    serialNumber: string;
    components: { name: string; version: string; purl: string; hashes?: { content: string }[] }[];
  };
  t.equal(bomFormat, 'CycloneDX');
  t.match(
    serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  const purls = components.map(({ purl }) => purl);
  t.equal(new Set(purls).size, purls.length, 'no component twice');
  for (const purl of purls)
    t.match(purl, /^pkg:(generic|deb|npm)\/[\w.%:/-]+@[\w.%:-]+(\?arch=\w+)?$/);
  for (const name of ['node', 'koffi', 'fastify', 'pino', 'ajv', 'execa', 'ipaddr.js']) {
    t.ok(
      components.some((each) => each.name === name),
      name,
    );
  }
  const copyright = readFileSync(join(stage, 'usr/share/doc/tsbridge/copyright'), 'utf8');
  for (const { name, version } of components.slice(1)) t.match(copyright, `${name} ${version}`);
  t.match(copyright, 'Node.js');

  const locked = readLock().packages.filter((each) => each.architecture === own.name);
  const whole = JSON.parse(withPackages(text, locked, own.name)) as {
    serialNumber: string;
    components: { name: string; version: string; hashes?: { content: string }[] }[];
  };
  t.not(whole.serialNumber, serialNumber, 'the list of an image has a number of its own');
  for (const { name, version, sha256 } of locked) {
    const found = whole.components.filter((each) => each.name === name);
    t.match(found, [{ version, hashes: [{ content: sha256 }] }], `${name} once`);
  }
});

t.test('the manual pages have every setting and every command', async (t) => {
  const page = (path: string) =>
    gunzipSync(readFileSync(join(stage, 'usr/share/man', path)))
      .toString()
      .replaceAll('\\-', '-');
  const settings = page('man5/tsbridge.json.5.gz');
  for (const name of fieldNames) {
    const key = fileKey(name);
    if (key !== undefined) t.match(settings, `"${fields[name].flag}"`);
  }
  t.match(page('man8/tsbridge.8.gz'), 'tsbridge reconcile');
});
