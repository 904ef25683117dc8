import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { loadLibc } from '../../src/host/process/libc.js';
import {
  inheritedSocket,
  notifyReady,
  notifyWatchdog,
  watchdogPeriod,
} from '../../src/host/process/systemd.js';
import { isInstalled } from '../process/netns.js';

t.test('the daemon serves on the socket that systemd opened', async (t) => {
  const env = { LISTEN_PID: '77', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x', OTHER: 'y' };
  t.equal(inheritedSocket(env, 77), 3);
  t.same(env, { OTHER: 'y' }, 'no child takes it for its own');
  t.equal(inheritedSocket(env, 77), undefined);
});

t.test('sockets that systemd opened for others are not taken', async (t) => {
  t.equal(inheritedSocket({ LISTEN_PID: '78', LISTEN_FDS: '1' }, 77), undefined);
  t.equal(inheritedSocket({ LISTEN_PID: '77', LISTEN_FDS: '0' }, 77), undefined);
  t.equal(inheritedSocket({ LISTEN_PID: '77', LISTEN_FDS: 'x' }, 77), undefined);
  t.equal(inheritedSocket({ LISTEN_PID: '77' }, 77), undefined);
  t.throws(() => inheritedSocket({ LISTEN_PID: '77', LISTEN_FDS: '2' }, 77), {
    message: /passed 2 of them/,
  });
});

t.test('no child inherits the socket that systemd opened', async (t) => {
  const script = `
    const { readdirSync } = require('node:fs');
    const { spawnSync } = require('node:child_process');
    const list = spawnSync('ls', ['/proc/self/fd'], { encoding: 'utf8' }).stdout.split('\\n');
    console.log(readdirSync('/proc/self/fd').includes('9'), list.includes('9'));`;
  const file = openSync(join(t.testdir({ file: '' }), 'file'), 'r');
  const stdio = ['ignore', 'pipe', 'inherit', ...Array<'ignore'>(6).fill('ignore'), file] as const;
  const child = spawn(process.execPath, ['--eval', script], { stdio: [...stdio] });
  if (child.stdout === null) throw new Error('no output');
  t.equal(await text(child.stdout), 'true false\n');
});

const skip = !isInstalled('python3') && 'needs python3';

/** Not below this file: a path of a socket has 108 bytes, wherever the repository lies. */
async function shortDirectory(t: { teardown(f: () => Promise<void>): void }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tsbridge-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

/** Listens at `path` (`@…`: an abstract one) until somebody is ready; reads when told to. */
async function receiver(t: { teardown(f: () => void): void }, path: string) {
  const script = [
    'import socket,sys',
    's=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)',
    's.bind(sys.argv[1].replace("@","\\0",1))',
    'print("bound",flush=True)',
    'sys.stdin.readline()',
    'word=""',
    'while word!="READY=1":',
    ' word=s.recv(4096).decode()',
    ' print(word,flush=True)',
  ];
  const child = spawn('python3', ['-c', script.join('\n'), path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const received = async () => {
    child.stdin.write('\n');
    const words: string[] = [];
    for await (const line of lines) words.push(line);
    return words;
  };
  return received;
}

t.test('systemd is told when the daemon serves calls', { skip }, async (t) => {
  const libc = loadLibc();
  await notifyReady(libc, {});
  for (const path of [join(await shortDirectory(t), 'notify'), `@tsbridge-test-${process.pid}`]) {
    const received = await receiver(t, path);
    await notifyReady(libc, { NOTIFY_SOCKET: path });
    t.same(await received(), ['READY=1'], path);
  }
  await t.rejects(notifyReady(libc, { NOTIFY_SOCKET: '/nowhere' }), { code: 'ENOENT' });
});

t.test(
  'systemd wants to hear from the process that it has started, three times as often',
  async (t) => {
    const env = { NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '77' };
    t.equal(watchdogPeriod(env, 77), 10_000);
    t.equal(watchdogPeriod(env, 78), undefined, 'another process');
    const { WATCHDOG_PID: _, ...whichever } = env;
    t.equal(watchdogPeriod(whichever, 78), 10_000);
    t.equal(watchdogPeriod({ ...env, NOTIFY_SOCKET: '' }, 77), undefined);
    for (const WATCHDOG_USEC of [undefined, '', '0', 'x']) {
      t.equal(watchdogPeriod({ ...env, WATCHDOG_USEC }, 77), undefined);
    }
  },
);

t.test('a word for the watchdog goes out at once, or not at all', { skip }, async (t) => {
  const libc = loadLibc();
  notifyWatchdog(libc, {});
  const path = join(await shortDirectory(t), 'notify');
  const received = await receiver(t, path);
  notifyWatchdog(libc, { NOTIFY_SOCKET: path });
  while (libc.trySendDatagram(path, 'X=1'));
  notifyWatchdog(libc, { NOTIFY_SOCKET: path });
  const words = received();
  await notifyReady(libc, { NOTIFY_SOCKET: path });
  t.equal((await words).filter((word) => word === 'WATCHDOG=1').length, 1);
  t.throws(() => notifyWatchdog(libc, { NOTIFY_SOCKET: '/nowhere' }), { code: 'ENOENT' });
});

t.test('readiness, when the queue of systemd is full', { skip }, async (t) => {
  const libc = loadLibc();
  const path = join(await shortDirectory(t), 'notify');
  let count = 0;
  const received = await receiver(t, path);
  while (libc.trySendDatagram(path, `X=${count}`)) count += 1;
  t.ok(count > 1);
  const sent = notifyReady(libc, { NOTIFY_SOCKET: path });
  const words = await received();
  await sent;
  t.equal(words.length, count + 1);
  t.equal(words.at(-1), 'READY=1', 'it waited for room');
});
