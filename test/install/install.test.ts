/** What scripts/install writes, and takes away again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { clone, install, makeTarget, run, tree } from '../process/install.js';

t.test('installs, and takes exactly that away again', async (t) => {
  const root = makeTarget();
  mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
  writeFileSync(join(root, 'etc/systemd/system/other.service'), 'other');
  const before = tree(root);

  t.match(await install('--destdir', root), { code: 0 });
  t.strictSame(Object.keys(tree(root)), [
    '/etc/systemd/system/other.service',
    '/etc/systemd/system/tsbridge-proxy@.service',
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
  t.match(removal, { code: 0, stdout: /would run: rm -rf .*\/usr\/local\/lib\/tsbridge.old$/m });
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
    stderr:
      /1 network of this driver would be left, recorded in \S+\/var\/lib\/tsbridge\/networks:.*--force/s,
  });
  t.strictSame(tree(root), installed);
  t.match(await install('--destdir', root, '--uninstall', '--force'), {
    code: 0,
    stdout: /kept: \/var\/lib\/tsbridge/,
  });
  t.strictSame(Object.keys(tree(root)), [`/var/lib/tsbridge/networks/${'a'.repeat(64)}.json`]);
});

t.test('a network that is on its way out is waited for', async (t) => {
  const root = makeTarget();
  await install('--destdir', root);
  const records = join(root, 'var/lib/tsbridge/networks');
  mkdirSync(records, { recursive: true });
  const record = join(records, `${'a'.repeat(64)}.json`);
  writeFileSync(record, '{"version":2,"value":{"phase":"removing"}}\n');
  const removal = install('--destdir', root, '--uninstall');
  setTimeout(() => rmSync(record), 1_000);
  t.match(await removal, { code: 0 });
});

t.test(
  'after a run that was ended between its two renames, the former version is put back',
  async (t) => {
    const root = makeTarget();
    await install('--destdir', root);
    const installed = tree(root);
    const library = join(root, 'usr/local/lib/tsbridge');
    renameSync(library, `${library}.old`);
    mkdirSync(`${library}.new`);
    // cp fails, as on a full disk.
    const bin = makeTarget();
    writeFileSync(join(bin, 'cp'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
    t.match(await install('--destdir', root, env), { code: 1 });
    t.strictSame(tree(root), installed);
    t.notOk(existsSync(`${library}.new`), 'the unfinished copy is gone');
  },
);

t.test('--uninstall takes what runs that were ended halfway have left', async (t) => {
  const root = makeTarget();
  await install('--destdir', root);
  const library = join(root, 'usr/local/lib/tsbridge');
  renameSync(library, `${library}.old`);
  mkdirSync(`${library}.new`);
  writeFileSync(join(root, 'etc/systemd/system/tsbridge.service.new'), '');
  t.match(await install('--destdir', root, '--uninstall'), { code: 0 });
  t.strictSame(tree(root), {});
  t.strictSame(readdirSync(join(root, 'usr/local/lib')), []);
});

t.test('others can run what was installed with a narrow umask', async (t) => {
  const root = makeTarget();
  const script = join(clone, 'scripts/install');
  await run('sh', ['-c', `umask 077; exec "$0" --destdir "$1"`, script, root]);
  for (const path of ['usr', 'usr/local/bin', 'usr/local/lib', 'usr/local/lib/tsbridge', 'etc']) {
    t.equal(statSync(join(root, path)).mode & 0o777, 0o755, path);
  }
});

t.test('--uninstall leaves a unit that starts something else', async (t) => {
  const root = makeTarget();
  await install('--destdir', root);
  const unit = join(root, 'etc/systemd/system/tsbridge.service');
  writeFileSync(unit, '[Service]\nExecStart=/usr/lib/tsbridge/bin/node main.js daemon\n');
  t.match(await install('--destdir', root, '--uninstall'), { code: 0, stdout: /kept: .*service/ });
  t.ok(existsSync(unit));
  t.notOk(existsSync(join(root, 'usr/local/lib/tsbridge')));
});

t.test('the folder of an installed package is not written and not removed', async (t) => {
  const root = makeTarget();
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put('usr/lib/tsbridge/dist/main.js', 'packaged');
  symlinkSync('usr/lib', join(root, 'lib'));
  const all = tree(root);
  put('usr/lib/systemd/system/tsbridge.service', 'ExecStart=/usr/lib/tsbridge/bin/node daemon\n');
  const packaged = tree(root);
  for (const prefix of ['/usr', '/', '/usr/']) {
    for (const more of [[], ['--uninstall'], ['--uninstall', '--force', '--dry-run']]) {
      const refused = await install('--destdir', root, '--prefix', prefix, ...more);
      t.match(refused, {
        code: 1,
        stderr: /is of an installed package, or of the archive: choose another --prefix/,
      });
    }
  }
  t.strictSame(tree(root), packaged);
  rmSync(join(root, 'usr/lib/systemd'), { recursive: true });
  t.strictSame(tree(root), all);
  t.match(await install('--destdir', root, '--prefix=/usr', '--uninstall'), { code: 0 });
  t.notOk(existsSync(join(root, 'usr/lib/tsbridge')), 'without a package it is one of a clone');
});

t.test('a clone is not replaced by what it installs, wherever it lies', async (t) => {
  const root = makeTarget();
  const lib = join(root, 'usr/local/lib');
  for (const place of [
    'tsbridge',
    'tsbridge.old',
    'tsbridge/src/clone',
    '../../../srv/lib/tsbridge',
  ]) {
    rmSync(lib, { recursive: true, force: true });
    const there = join(lib, place);
    mkdirSync(dirname(there), { recursive: true });
    if (place.startsWith('..')) symlinkSync(dirname(there), lib);
    cpSync(clone, there, { recursive: true, verbatimSymlinks: true });
    const before = tree(root);
    for (const more of [[], ['--uninstall', '--force']]) {
      const refused = await run(join(there, 'scripts/install'), ['--destdir', root, ...more]).catch(
        (error: { code: number; stderr: string }) => error,
      );
      t.match(refused, {
        code: 1,
        stderr:
          /this clone, \S+, would be deleted along with \S+\/tsbridge: choose another --prefix/,
      });
      t.strictSame(tree(root), before, `${place} ${more.join(' ')}`);
    }
  }
});

t.test('a clone may be the folder in which it puts the program', async (t) => {
  const lib = join(makeTarget(), 'lib');
  cpSync(clone, lib, { recursive: true, verbatimSymlinks: true });
  const args = ['--destdir', dirname(lib), '--prefix', '/'];
  await run(join(lib, 'scripts/install'), args, { timeout: 60_000 });
  t.ok(existsSync(join(lib, 'tsbridge/dist/main.js')));
});

t.test('a second run waits for the first one', async (t) => {
  const root = makeTarget();
  mkdirSync(join(root, 'usr/local/lib'), { recursive: true });
  const first = spawn('flock', [join(root, 'usr/local/lib'), 'sh', '-c', 'echo has it; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(first.stdout, 'data');
  let done = false;
  const second = install('--destdir', root).finally(() => {
    done = true;
  });
  const library = join(root, 'usr/local/lib/tsbridge');
  await sleep(1_000);
  t.notOk(done || existsSync(library));
  first.stdin.end();
  t.match(await second, { code: 0, stdout: /^waiting for another run, which works on .*lib$/m });
  t.ok(existsSync(library));
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
