/** What has to be there before anything is installed: a build, programs, a machine with a runtime. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  clone,
  install,
  locked,
  makeClone,
  makeTarget,
  run,
  runtimeLink,
  tree,
} from '../process/install.js';

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

t.test('the runtime is linked again after an older npm has deleted the link', async (t) => {
  const sources = makeClone();
  const link = join(sources, 'node_modules/.bin/node');
  const prepare = () => run('npm', ['run', '--silent', 'prepare'], { cwd: sources });
  rmSync(link);
  await prepare();
  t.equal(readlinkSync(link), runtimeLink);
  await prepare();
  t.equal(readlinkSync(link), runtimeLink, 'a second run leaves the link as it is');
  rmSync(link);
  symlinkSync('../gone/bin/node', link);
  await prepare();
  t.equal(readlinkSync(link), runtimeLink, 'a link that leads nowhere is replaced');
  rmSync(link);
  rmSync(join(sources, 'node_modules', `node-linux-${process.arch}`), { recursive: true });
  await prepare();
  t.throws(() => readlinkSync(link), 'no runtime, no link');
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
  t.match(await missing(), /iptables \(package iptables\)\n.*nft \(package nftables\)/);
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

t.test('the machines of scripts/vm have all of a clone that scripts/install reads', async (t) => {
  const text = (name: string) =>
    readFileSync(new URL(`../../scripts/${name}`, import.meta.url), 'utf8');
  const read = [...text('install').matchAll(/"\$source_root\/([a-z][\w.-]*)/g)].map(
    ([, name = '']) => name,
  );
  t.ok(read.includes('packaging'), 'the functions');
  const packed = /^pack\(\) \{.*?^\}/ms.exec(text('vm'))?.[0] ?? '';
  for (const name of new Set(read)) t.match(packed, new RegExp(` ${name}[ /].*"\\$tree/`), name);
});
