import { spawn } from 'node:child_process';
import events from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { inheritedSocket, notifyReady } from '../../src/host/systemd.js';
import { isInstalled } from '../helpers/netns.js';

t.test('the socket that systemd passes', async (t) => {
  const env = { LISTEN_PID: '77', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x', OTHER: 'y' };
  t.equal(inheritedSocket(env, 77), 3);
  t.same(env, { OTHER: 'y' }, 'no child takes it for its own');
  t.equal(inheritedSocket(env, 77), undefined);
});

t.test('sockets for others, or none', async (t) => {
  t.equal(inheritedSocket({ LISTEN_PID: '78', LISTEN_FDS: '1' }, 77), undefined);
  t.equal(inheritedSocket({ LISTEN_PID: '77', LISTEN_FDS: '0' }, 77), undefined);
  t.equal(inheritedSocket({ LISTEN_PID: '77', LISTEN_FDS: 'x' }, 77), undefined);
  t.equal(inheritedSocket({ LISTEN_PID: '77' }, 77), undefined);
  t.throws(() => inheritedSocket({ LISTEN_PID: '77', LISTEN_FDS: '2' }, 77), {
    message: /passed 2 of them/,
  });
});

t.test('no child gets the socket', async (t) => {
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

const needed = ['systemd-notify', 'python3'].filter((file) => !isInstalled(file));
const skip = needed.length > 0 && `needs ${needed.join(', ')}`;

t.test('readiness', { skip }, async (t) => {
  await notifyReady({});
  const path = join(t.testdir(), 'notify');
  const receiver = spawn(
    'python3',
    [
      '-c',
      // As systemd: the sender is let go (its descriptor closed) once its word has been taken.
      'import socket,sys\n' +
        's=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n' +
        's.bind(sys.argv[1])\nprint("bound",flush=True)\n' +
        'while True:\n' +
        ' word=s.recv(4096).decode()\n print(word,flush=True)\n' +
        ' if word=="BARRIER=1": break',
      path,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(() => receiver.kill('SIGKILL'));
  receiver.stdout.setEncoding('utf8');
  await events.once(receiver.stdout, 'data');
  const received = text(receiver.stdout);
  await notifyReady({ NOTIFY_SOCKET: path });
  const words = await received;
  t.match(words, /^READY=1$/m);
  t.match(words, /^BARRIER=1$/m, 'the sender waits until it has been heard');
  await t.rejects(notifyReady({ NOTIFY_SOCKET: '/nowhere' }), { name: 'CommandError' });
});
