/** Files that a command line names: which paths are taken, and what is replaced. */
import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join, relative, resolve } from 'node:path';
import t from 'tap';
import { dispatch } from '../../../src/cli/dispatch.js';
import { canReplace, replaceFile } from '../../../src/cli/output/replace-file.js';
import { filePath, folderPath, runtimeFolder, unixSocket } from '../../../src/cli/table/kinds.js';
import { readCommandLine } from '../../../src/cli/table/parse.js';
import { commands } from '../../../src/cli/table.js';

/** Leads to / from the current folder: a path in that folder itself may be too long for a socket. */
const upToRoot = relative(process.cwd(), '/');

t.test('a relative path counts from the current folder, and becomes absolute', async (t) => {
  for (const { parse } of [filePath, folderPath]) {
    t.equal(parse('b.out'), resolve('b.out'));
    t.equal(parse('./-b'), resolve('-b'));
    t.equal(parse('../b'), resolve('../b'));
  }
  for (const { parse } of [filePath, folderPath, runtimeFolder, unixSocket]) {
    t.equal(parse('/a/b'), '/a/b');
    t.equal(parse(join(upToRoot, 'b.out')), '/b.out');
    t.equal(parse(join(upToRoot, './-b')), '/-b');
    for (const wrong of ['', '-', 'a\nb', 'a\u007fb', 'x'.repeat(5_000)]) {
      t.equal(parse(wrong), undefined, JSON.stringify(wrong.slice(0, 10)));
    }
  }
  // sockaddr_un has 107 bytes, whatever was written.
  t.equal(unixSocket.parse(`/${'x'.repeat(106)}`)?.length, 107);
  t.equal(unixSocket.parse('x'.repeat(106)), undefined);
});

t.test('every flag of a command that takes a path takes a relative one', async (t) => {
  const taken = commands.flatMap((command) =>
    Object.entries(command.flags)
      .filter(([, { kind }]) => ['FILE', 'DIR', 'PATH'].includes(kind?.placeholder ?? ''))
      .map(([flag, { kind }]) => ({ at: `${command.name} --${flag}`, kind })),
  );
  const admin = taken.filter(({ at }) => !at.startsWith('daemon '));
  for (const { at, kind } of admin) t.equal(kind?.parse(join(upToRoot, 'x.out')), '/x.out', at);
  for (const at of ['connectivity-test --junit', 'explain --svg', 'page --write', 'diags --out']) {
    t.ok(
      admin.find((each) => each.at === at),
      at,
    );
  }
  // The daemon's current folder is nobody's: its settings name whole paths.
  for (const { at, kind } of taken.filter((each) => !admin.includes(each))) {
    t.equal(kind?.parse('x.out'), undefined, at);
  }
  const metrics = commands.find(({ name }) => name === 'metrics');
  if (metrics === undefined) throw new Error('there is no such command');
  t.match(readCommandLine(metrics, ['--write', 'x.prom']).flags, { write: resolve('x.prom') });
  t.throws(() => readCommandLine(metrics, ['--write', '-']), /or a path from the current folder/);
});

t.test('a file is replaced as a whole, and with its own mode', async (t) => {
  const folder = t.testdir({ old: 'old' });
  const path = join(folder, 'old');
  await replaceFile(path, 'new', 0o600);
  t.equal(readFileSync(path, 'utf8'), 'new');
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.strictSame(readdirSync(folder), ['old']);
  await t.rejects(replaceFile(join(folder, 'none/x'), 'new', 0o600), /is .*none there, and may/);
});

t.test('before what takes long it is asked whether a file can be replaced', async (t) => {
  const folder = t.testdir({ old: 'old' });
  await canReplace(join(folder, 'old'));
  await canReplace(join(folder, 'new'));
  t.strictSame(readdirSync(folder), ['old'], 'nothing is written');
  await t.rejects(canReplace(join(folder, 'none/x')), /is .*none there, and may/);
  await t.rejects(canReplace(folder), /is no regular file/);
  const args = ['connectivity-test', '--junit', join(folder, 'none/x')];
  const said: string[] = [];
  const out = (text: unknown) => void said.push(String(text));
  t.equal(await dispatch(args, { environment: {}, out, err: out }), 1);
  // Root is refused for the file, everybody else before.
  t.match(said.join(''), process.getuid?.() === 0 ? /none there, and may/ : /for root only/);
});

t.test('links, devices, pipes and folders are not replaced', async (t) => {
  const folder = t.testdir({ real: 'real' });
  const at = (name: string) => join(folder, name);
  symlinkSync('real', at('link'));
  symlinkSync('/proc/self/fd/1', at('stdout'));
  mkdirSync(at('folder'));
  execFileSync('mkfifo', [at('pipe')]);
  for (const name of ['link', 'stdout', 'folder', 'pipe']) {
    const before = lstatSync(at(name)).ino;
    await t.rejects(replaceFile(at(name), 'new', 0o600), /is no regular file/, name);
    t.equal(lstatSync(at(name)).ino, before, name);
  }
  t.equal(readFileSync(at('real'), 'utf8'), 'real');
  writeFileSync(at('real'), 'another');
  t.strictSame(readdirSync(folder).sort(), ['folder', 'link', 'pipe', 'real', 'stdout']);
});
