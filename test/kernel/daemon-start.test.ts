/** What a real daemon does when something fails while it starts, and with a signal for debuggers. */
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { spawn, spawnSync } = await import('node:child_process');
const { once } = (await import('node:events')).default;
const { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { Daemon } = await import('../process/daemon.js');

/** Short, for its sockets. */
function makeFolder(t: { teardown(f: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tsbridge-start-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

t.test('a systemd that cannot be told is a warning, and the daemon serves', async (t) => {
  const folder = makeFolder(t);
  const env = { NOTIFY_SOCKET: join(folder, 'nowhere') };
  const daemon = await Daemon.start(folder, { env });
  t.teardown(() => daemon.kill('SIGKILL'));
  // `start` waits for the recovery; the daemon tells systemd after that, so its warning may still be to come.
  while (!daemon.log.includes('systemd could not be told')) await sleep(20);
  t.match(daemon.log, /"level":"warn".*systemd could not be told/);
  t.match(await daemon.call('GetCapabilities', {}), { Scope: 'local' });

  const second = Daemon.spawn(folder);
  await second.ended;
  t.equal(second.process.exitCode, 1, 'the lock is held');
  t.match(second.log, /uses this folder already/);

  await daemon.kill('SIGTERM');
  t.equal(daemon.process.exitCode, 0, 'and ends when it is told to');
});

t.test('a start that fails closes everything and ends with 1', async (t) => {
  const folder = makeFolder(t);
  // Where the engine's socket would be; found out after the lock, the records and the rules.
  writeFileSync(join(folder, 'plugin.sock'), 'of somebody else');
  const daemon = Daemon.spawn(folder);
  t.teardown(() => daemon.kill('SIGKILL'));
  await daemon.ended;
  t.equal(daemon.process.exitCode, 1);
  t.match(daemon.log, /is not a socket: remove it/);

  rmSync(join(folder, 'plugin.sock'));
  const next = await Daemon.start(folder);
  await next.kill('SIGTERM');
  t.equal(next.process.exitCode, 0);
});

t.test(
  'a host whose rules cannot be read ends the daemon, and the next start serves',
  async (t) => {
    const folder = makeFolder(t);
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    for (const name of ['iptables-nft-save', 'iptables-legacy-save', 'iptables-save']) {
      writeFileSync(join(bin, name), '#!/bin/sh\necho "no memory" >&2\nexit 4\n');
      chmodSync(join(bin, name), 0o755);
    }
    const daemon = Daemon.spawn(folder, { env: { PATH: `${bin}:${process.env.PATH}` } });
    t.teardown(() => daemon.kill('SIGKILL'));
    await daemon.ended;
    t.equal(daemon.process.exitCode, 1, daemon.log);
    t.match(daemon.log, /"level":"error".*choosing the firewall.*"msg":"the daemon cannot go on"/);

    const next = await Daemon.start(folder);
    await next.kill('SIGTERM');
    t.equal(next.process.exitCode, 0);
  },
);

t.test('records that cannot be listed end the daemon, and the next start serves', async (t) => {
  const folder = makeFolder(t);
  const records = join(folder, 'state/networks');
  mkdirSync(records, { recursive: true });
  // A folder that is there and cannot be listed: the one of the network of a process that has ended.
  const process = spawn('sleep', ['60']);
  run('mount', ['--bind', `/proc/${process.pid}/net`, records]);
  t.teardown(() => spawnSync('umount', [records]));
  const gone = once(process, 'exit');
  process.kill('SIGKILL');
  await gone;
  const daemon = Daemon.spawn(folder);
  t.teardown(() => daemon.kill('SIGKILL'));
  await daemon.ended;
  t.equal(daemon.process.exitCode, 1, daemon.log);
  t.match(daemon.log, /"level":"error".*"msg":"recovery failed/);

  run('umount', [records]);
  const next = await Daemon.start(folder);
  await next.kill('SIGTERM');
  t.equal(next.process.exitCode, 0);
});

t.test('SIGTERM during recovery ends the daemon', async (t) => {
  const folder = makeFolder(t);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const slow = '#!/bin/sh\nsleep 2\nexec /usr/sbin/iptables-save "$@"\n';
  for (const name of ['iptables-nft-save', 'iptables-save']) {
    writeFileSync(join(bin, name), slow);
    chmodSync(join(bin, name), 0o755);
  }
  const daemon = Daemon.spawn(folder, { env: { PATH: `${bin}:${process.env.PATH}` } });
  t.teardown(() => daemon.kill('SIGKILL'));
  while (!daemon.log.includes('"listening"') && daemon.alive) await sleep(20);
  await daemon.kill('SIGTERM');
  t.equal(daemon.process.exitCode, 0, daemon.log);
});

t.test('SIGUSR1 opens no debugger', async (t) => {
  const folder = makeFolder(t);
  const daemon = await Daemon.start(folder);
  t.teardown(() => daemon.kill('SIGKILL'));
  daemon.process.kill('SIGUSR1');
  for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGUSR1');
  // A debugger is there before the signal's next turn of the event loop is over.
  for (let turn = 0; turn < 10; turn += 1) {
    await daemon.call('GetCapabilities', {});
    await sleep(50);
  }
  t.strictSame(run('ss', ['-Hlnt']).trim(), '', 'nothing listens on TCP');
  t.equal(daemon.alive, true);
  t.notMatch(daemon.log, /Debugger listening/);
  await daemon.kill('SIGTERM');
});

t.test('an error that nothing handles is in the log before the daemon ends with 1', async (t) => {
  for (const [origin, statement] of [
    ['uncaughtException', "throw new Error('of a handler')"],
    ['unhandledRejection', "Promise.reject(new Error('of a handler'))"],
  ]) {
    const folder = makeFolder(t);
    const program = join(folder, 'failing.mjs');
    const main = new URL('../../dist/main.js', import.meta.url);
    writeFileSync(
      program,
      `process.on('SIGUSR2', () => { ${statement}; });\nawait import('${main.href}');\n`,
    );
    const daemon = await Daemon.start(folder, { program });
    t.teardown(() => daemon.kill('SIGKILL'));
    process.kill(daemon.pid, 'SIGUSR2');
    await daemon.ended;
    t.equal(daemon.process.exitCode, 1);
    t.match(
      daemon.log,
      new RegExp(
        `"level":"error".*"message":"of a handler".*"origin":"${origin}".*ends the daemon`,
      ),
    );
    const next = await Daemon.start(folder);
    await next.kill();
    t.equal(next.process.exitCode, 0, 'the next start serves');
  }
});
