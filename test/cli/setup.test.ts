/** `tsbridge setup` beside a process that is called dockerd, in a network namespace of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { setupCommand } from '../../src/cli/commands/change/setup.js';
import type { Terminal } from '../../src/cli/terminal.js';
import { findEngines } from '../../src/host/engine-process.js';

async function setup(args: readonly string[], answer?: string) {
  const said = { out: '', err: '', asked: 0 };
  const terminal: Terminal = {
    environment: {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    ...(answer !== undefined && {
      ask: () => {
        said.asked += 1;
        return Promise.resolve(answer);
      },
    }),
  };
  return { code: await setupCommand.run(args, terminal), said };
}

/** A process that the kernel shows as dockerd, in our own network namespace; ended with the test. */
async function startDockerd(t: Test, ...args: string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-setup-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const program = join(folder, 'dockerd');
  // With its standard input open cat stays, whatever else it is told to read.
  copyFileSync('/bin/cat', program);
  const child = spawn(program, ['--', '-', ...args], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(child, 'spawn');
  t.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  return child.pid ?? 0;
}

t.test('settings of the running engine are shown, and written after a yes', async (t) => {
  const folder = t.testdir({ 'daemon.json': '{"ip-masq": false, "debug": true}' });
  const config = join(folder, 'etc/config.json');
  const pid = await startDockerd(
    t,
    '--userland-proxy=false',
    `--config-file=${join(folder, 'daemon.json')}`,
  );
  const engines = (await findEngines()).filter((engine) => engine.pid === pid);
  t.match(engines, [{ args: ['--', '-', '--userland-proxy=false'] }]);
  const args = ['--config', config, '--dockerd-pid', String(pid)];

  const silent = await setup(args);
  t.equal(silent.code, 3, 'without a terminal nothing is written');
  t.match(silent.said.err, 'nothing was written; --yes writes without asking');
  t.match(silent.said.out, /userland-proxy +not set → false \(--userland-proxy of dockerd\)/);
  t.match(silent.said.out, /ip-masq +not set → false \("ip-masq" in\s/);
  t.notOk(existsSync(config));

  t.match(await setup(args, 'n'), { code: 3, said: { asked: 1 } });
  t.notOk(existsSync(config));
  t.match(await setup(args, 'y'), { code: 0, said: { asked: 1 } });
  const written = { 'userland-proxy': false, 'ip-masq': false };
  t.strictSame(JSON.parse(readFileSync(config, 'utf8')), written);
  const again = await setup(args);
  t.equal(again.code, 0);
  t.match(again.said.out, 'says already what the engine says');
});

t.test('variables of the service that beat the file are told, and are not changed', async (t) => {
  const text = '# of the service\nTSBRIDGE_IP_MASQ="false"\nTSBRIDGE_IPTABLES=1\n';
  const folder = t.testdir({ 'daemon.json': 'null', variables: text });
  const pid = await startDockerd(t, '--ip=192.0.2.1', `--config-file=${folder}/daemon.json`);
  const config = join(folder, 'config.json');
  const file = join(folder, 'variables');
  const args = ['--yes', '--dockerd-pid', String(pid), '--environment-file', file];
  const told = /TSBRIDGE_IP_MASQ=false in .+ beats .+json, and dockerd has true: delete that/;
  const beaten = await setup([...args, '--config', config]);
  t.match(beaten, { code: 3, said: { err: told } });
  t.notMatch(beaten.said.err, 'IPTABLES');
  t.strictSame(
    JSON.parse(readFileSync(config, 'utf8')),
    { 'default-binding-ip': '192.0.2.1' },
    'written all the same',
  );
  t.match(await setup([...args, '--config', config]), { code: 3, said: { err: told } });
  t.equal(readFileSync(file, 'utf8'), text);

  const elsewhere = join(folder, 'elsewhere.json');
  writeFileSync(file, `TSBRIDGE_CONFIG=${elsewhere}\n`);
  t.match(await setup(args), { code: 0, said: { err: '' } });
  t.ok(existsSync(elsewhere), 'the file that the daemon reads');
  for (const wrong of ['x.json', '"/x\ny"']) {
    writeFileSync(file, `TSBRIDGE_CONFIG=${wrong}\n`);
    const refused = /TSBRIDGE_CONFIG in .+: ".+" is not accepted; it takes the absolute path of/;
    t.match(await setup(args), { code: 1, said: { err: refused } });
  }
  t.notOk(existsSync('x.json'));
});

t.test(
  'the daemon does not start without a file that is named, and starts without one',
  async (t) => {
    const folder = t.testdir({ 'daemon.json': '{}' });
    const pid = await startDockerd(t, `--config-file=${folder}/daemon.json`);
    const file = join(folder, 'variables');
    const args = ['--yes', '--dockerd-pid', String(pid), '--environment-file', file];
    writeFileSync(file, `TSBRIDGE_CONFIG=${folder}/none.json\n`);
    const missing =
      /there is no .+none\.json, which TSBRIDGE_CONFIG in .+ names, and the daemon does not/;
    t.match(await setup(args), { code: 3, said: { err: missing } });
    writeFileSync(file, 'TSBRIDGE_CONFIG=\n');
    const absent = await setup([...args, '--environment-file', join(folder, 'typo')]);
    t.match(absent, { code: 1, said: { err: `there is no ${folder}/typo` } });
    const usual = await setup(args.slice(1));
    t.match(usual, { said: { out: '/etc/tsbridge/config.json ' } }, 'an empty one is not set');
  },
);

t.test('an engine without settings of its own needs no file, and none is written', async (t) => {
  const folder = t.testdir({});
  const config = join(folder, 'etc/config.json');
  const pid = await startDockerd(t, `--config-file=${join(folder, 'daemon.json')}`);
  const plain = await setup(['--yes', '--config', config, '--dockerd-pid', String(pid)]);
  t.match(plain, { code: 0, said: { out: `${config} is not needed` } });
  t.notOk(existsSync(config));
});

t.test('a process that is no dockerd of this host is named as such', async (t) => {
  const wrong = await setup(['--dockerd-pid', String(process.pid), '--yes']);
  t.equal(wrong.code, 1);
  t.match(wrong.said.err, `process ${process.pid} is no dockerd of this host`);
});

t.test('what is not understood changes nothing, and all of it is told', async (t) => {
  const folder = t.testdir({ 'daemon.json': '{"iptables": "x"}', 'config.json': '{"typo": 1}' });
  const config = join(folder, 'config.json');
  const file = `--config-file=${join(folder, 'daemon.json')}`;
  const pid = await startDockerd(t, file, '--ip=x');
  const bad = await setup(['--yes', '--config', config, '--dockerd-pid', String(pid)]);
  t.equal(bad.code, 1);
  t.match(bad.said.err, /"iptables" in .*--ip of dockerd.*unknown key "typo"/s);
  t.equal(readFileSync(config, 'utf8'), '{"typo": 1}');
  const folderAsFile = await setup(['--yes', '--config', folder, '--dockerd-pid', String(pid)]);
  t.match(folderAsFile, { code: 1, said: { err: `reading ${folder}: read: is a directory` } });
  t.match(await setup(['--wrong']), { code: 2 });
  t.match(await setup(['--config', '-']), { code: 2 });
});

t.test('a process of the same name in another network namespace is not ours', async (t) => {
  const proc = t.testdir({
    self: { ns: { net: t.fixture('symlink', 'net:[1]') } },
    7: {
      comm: 'dockerd\n',
      cmdline: 'dockerd\0',
      environ: '',
      ns: { net: t.fixture('symlink', 'net:[2]') },
    },
    8: {
      comm: 'dockerd\n',
      cmdline: 'dockerd\0--ip\0::1\0',
      environ: 'A=b=c\0',
      ns: { net: t.fixture('symlink', 'net:[1]') },
    },
    9: { comm: 'sh\n', ns: { net: t.fixture('symlink', 'net:[1]') } },
  });
  t.strictSame(await findEngines(proc), [
    { pid: 8, args: ['--ip', '::1'], environment: { A: 'b=c' } },
  ]);
});
