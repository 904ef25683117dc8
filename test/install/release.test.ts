/** scripts/release in a clone of this repository: what it refuses, what it makes, and whether that can be verified. */
import { execFile } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const cache = join(root, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
// There, so that files of packages can be linked in place of copied.
const folder = mkdtempSync(join(cache, 'tsbridge-release-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const clone = join(folder, 'clone');
const key = join(folder, 'key');

const run = (program: string, ...args: string[]) =>
  // The test runner puts its own loader into NODE_OPTIONS of every child.
  promisify(execFile)('env', ['-u', 'NODE_OPTIONS', program, ...args], {
    ...{ cwd: clone, maxBuffer: 1 << 26 },
  });
const git = async (...args: string[]) => (await run('git', ...args)).stdout.trim();
const release = (...args: string[]) => run('scripts/release', ...args);

/** What it said when it refused. */
async function refused(...args: string[]): Promise<string> {
  const failed = await release(...args).catch((error: { stderr: string }) => error);
  return failed.stderr;
}

t.before(async () => {
  mkdirSync(clone);
  await run('git', 'clone', '--quiet', root, '.');
  for (const [name, value] of [
    ['user.name', 'A tester'],
    ['user.email', 'tester@tsbridge.example'],
  ] as const) {
    await git('config', name, value);
  }
  mkdirSync(join(clone, 'node_modules'));
  const packages = readdirSync(join(root, 'node_modules')).filter((name) => name !== '.cache');
  const from = packages.map((name) => join(root, 'node_modules', name));
  await run('cp', '-al', ...from, join(clone, 'node_modules'));
  await run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key);
});

t.test('nothing is released that is not ready, and nothing changes', async (t) => {
  const before = await git('rev-parse', 'HEAD');
  const locked = join(folder, 'locked');
  await run('ssh-keygen', '-q', '-t', 'ed25519', '-N', 'secret', '-f', locked);
  t.match(await refused('1.0', '--key', key), "not a version: '1.0'");
  t.match(await refused('9.9.9', '--key', key), 'CHANGELOG.md has no section');
  writeFileSync(join(clone, 'new'), '');
  t.match(await refused('9.9.9', '--key', key), 'not committed');
  rmSync(join(clone, 'new'));
  appendFileSync(join(clone, 'CHANGELOG.md'), '\n## 9.9.9 (2026-12-01)\n');
  await git('commit', '--quiet', '--all', '--message', 'changelog');
  t.match(await refused('9.9.9'), '--key FILE is needed');
  for (const wrong of ['package.json', locked, `${key}.pub`, join(folder, 'none')]) {
    t.match(await refused('9.9.9', '--key', wrong), 'not an OpenSSH private key', wrong);
  }
  for (const out of ['built', '.', 'docs/../built']) {
    const said = await refused('9.9.9', '--key', key, `--out=${out}`);
    t.match(said, `--out ${clone}/${out} is in the tree`);
  }
  t.match(await refused('9.9.9', '--key', key, '--out', ''), '--out needs a path');
  const unnamed = await run('scripts/package', '--out=').catch(
    (error: { stderr: string }) => error,
  );
  t.match(unnamed.stderr, '--out needs a folder');
  // Relative paths are those of the folder where the command was typed.
  const words = ['9.9.9', '--key=key', '--out', 'a b', '--dry-run', '--', '--out', 'c'];
  const from = await run('env', '-C', folder, join(clone, 'scripts/release'), ...words);
  t.match(from.stdout, `would run: scripts/package --out c --out ${folder}/a b\n`);
  t.match(from.stdout, 'would run: git tag');
  const { stdout } = await release('9.9.9', '--dry-run');
  t.match(stdout, 'would run: git tag -a v9.9.9');
  t.equal(await git('tag', '--list', 'v9.9.9'), '');
  t.equal(await git('rev-parse', 'HEAD~'), before);
  t.equal(await git('status', '--porcelain'), '');
});

t.test('a release has its version, a tag and a signature that can be verified', async (t) => {
  const out = join(folder, 'out');
  const few = ['--', '--format', 'npm'];
  // The files of an earlier release, which may have been signed with another key.
  mkdirSync(out);
  writeFileSync(join(out, 'SHA256SUMS'), '');
  await run('ssh-keygen', '-q', '-Y', 'sign', '-f', key, '-n', 'file', join(out, 'SHA256SUMS'));
  // A hook refuses the commit: the script ends, and leaves the tree as it was.
  const hook = join(clone, '.git/hooks/pre-commit');
  writeFileSync(hook, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  await t.rejects(release('9.9.9', '--key', key, '--out', out, ...few));
  t.equal(await git('status', '--porcelain'), '');
  rmSync(hook);
  await release('9.9.9', '--key', key, '--out', out, ...few);
  t.match(
    await git('show', '--no-patch', '--format=%(trailers)%s', 'v9.9.9^{commit}'),
    'release: 9.9.9',
  );
  t.equal(await git('rev-parse', 'v9.9.9^{commit}'), await git('rev-parse', 'HEAD'));
  t.equal(await git('status', '--porcelain'), '');
  const { version } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));
  t.equal(version, '9.9.9');
  t.strictSame(readdirSync(out).sort(), ['SHA256SUMS', 'SHA256SUMS.sig', 'tsbridge-9.9.9.tgz']);
  await run('sh', '-c', 'cd "$1" && sha256sum --check --strict SHA256SUMS', 'sh', out);

  const signers = join(folder, 'allowed_signers');
  writeFileSync(signers, `tsbridge ${readFileSync(`${key}.pub`, 'utf8')}`);
  const sums = join(out, 'SHA256SUMS');
  const words = `ssh-keygen -Y verify -f "$1" -I tsbridge -n file -s "$2.sig" <"$2"`;
  const verify = () => run('sh', '-c', words, 'sh', signers, sums);
  t.match((await verify()).stdout, 'Good "file" signature for tsbridge');
  appendFileSync(sums, 'x');
  await t.rejects(verify(), 'what was changed since is not signed');
  t.match(await refused('9.9.9', '--key', key), 'there is a tag v9.9.9 already');
});

t.test('packages of a tree that changed meanwhile are neither signed nor tagged', async (t) => {
  const out = join(folder, 'changed');
  appendFileSync(join(clone, 'CHANGELOG.md'), '\n## 9.9.10 (2026-12-02)\n');
  const meanwhile = '#!/bin/sh\nmkdir -p "$2"; echo >"$2/SHA256SUMS"; echo more >>CHANGELOG.md\n';
  writeFileSync(join(clone, 'scripts/package'), meanwhile);
  await git('commit', '--quiet', '--all', '--message', 'a build during which somebody writes');
  t.match(await refused('9.9.10', '--key', key, '--out', out), 'the tree has changed while');
  t.strictSame(readdirSync(out), ['SHA256SUMS']);
  t.equal(await git('tag', '--list', 'v9.9.10'), '');
});
