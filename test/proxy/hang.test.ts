/** A proxy process that hangs, dies or cannot be reached: afterwards it holds what it should, and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  ask,
  eventually,
  listener,
  ownerOf as owner,
  ProxyProcess,
  serve,
  silent,
} from '../process/proxy-process.js';

const container = await serve((socket) => socket.pipe(socket));
t.teardown(() => container.close());
const to = (port: number) => listener(`127.0.0.1:${port}`, container.address);

/** Short, for a process that is stopped; on a machine under load a process that runs needs some. */
const hangs = { silenceMs: 2_000 };
const isOpen = (port: number) =>
  ask('127.0.0.1', port, 'x').then(
    () => true,
    () => false,
  );

function proxyFor(t: { teardown(work: () => void): void }): ProxyProcess {
  const proxy = new ProxyProcess();
  t.teardown(() => proxy.dispose());
  return proxy;
}

t.test('a process that hangs is ended and replaced within the call that finds it', async (t) => {
  const proxy = proxyFor(t);
  const daemon = proxy.supervise(silent, hangs);
  await daemon.sync(new Map());
  t.same(await daemon.open(owner('a'), [to(21101)]), []);
  const [first] = proxy.processes;
  first?.kill('SIGSTOP');
  t.same(await daemon.open(owner('b'), [to(21102)]), []);
  t.equal(first?.signalCode, 'SIGKILL');
  t.same([await isOpen(21101), await isOpen(21102)], [true, true], 'by the next one');
  t.same(await daemon.differences(), []);
  daemon.detach();
});

t.test('a port whose publishing failed is closed when the process goes on', async (t) => {
  const proxy = proxyFor(t);
  // As if the kernel did not let go of it.
  const stuck = {
    ...hangs,
    processes: { atOtherEnd: async () => undefined, end: async () => false },
  };
  const daemon = proxy.supervise(silent, stuck);
  await daemon.sync(new Map());
  t.same(await daemon.open(owner('a'), [to(21103)]), []);
  const [process] = proxy.processes;
  process?.kill('SIGSTOP');
  await t.rejects(daemon.open(owner('b'), [to(21104)]), { code: 'proxy-unavailable' });
  await t.rejects(daemon.close(owner('b')), { code: 'proxy-unavailable' }, 'the roll-back');
  await t.rejects(daemon.stats(), /does not answer/);
  process?.kill('SIGCONT');
  await eventually(async () => (await daemon.stats().catch(() => undefined))?.listeners === 1);
  t.same([await isOpen(21103), await isOpen(21104)], [true, false]);
  t.same(await daemon.differences(), []);
  t.equal(proxy.processes.length, 1, 'and no other was started beside it');
  daemon.detach();
});

t.test('a release that was not answered is made up for', async (t) => {
  const proxy = proxyFor(t);
  const daemon = proxy.supervise(silent, hangs);
  await daemon.sync(new Map());
  t.same(await daemon.open(owner('a'), [to(21105), to(21106)]), []);
  proxy.processes[0]?.kill('SIGSTOP');
  await daemon.close(owner('a'), [to(21105)]);
  t.same([await isOpen(21105), await isOpen(21106)], [false, true]);
  daemon.detach();
});

t.test('a daemon that starts finds a process that hangs, and replaces it', async (t) => {
  const proxy = proxyFor(t);
  const before = proxy.supervise();
  t.same(await before.open(owner('a'), [to(21107)]), []);
  before.detach();
  proxy.processes[0]?.kill('SIGSTOP');
  const daemon = proxy.supervise(silent, hangs);
  t.same(await daemon.sync(new Map([[owner('a'), [to(21107)]]])), []);
  t.equal(proxy.processes[0]?.signalCode, 'SIGKILL');
  t.ok(await isOpen(21107));
  daemon.detach();
});

t.test('a port that another program has at a start is held as soon as it is free', async (t) => {
  const proxy = proxyFor(t);
  const program = net.createServer().listen(21108, '127.0.0.1');
  await once(program, 'listening');
  const daemon = proxy.supervise();
  const failures = await daemon.sync(new Map([[owner('a'), [to(21108), to(21109)]]]));
  t.match(failures, [{ code: 'EADDRINUSE' }]);
  t.match(daemon.problems(), ['127.0.0.1:21108/tcp is not held: bind: EADDRINUSE']);
  const [line] = await daemon.differences();
  t.match(line, /^open socket tcp 127\.0\.0\.1:21108 of endpoint /);
  t.same(await daemon.repair(), [], 'not yet');
  program.close();
  await once(program, 'close');
  t.same(await daemon.repair(), [line]);
  t.same([await daemon.differences(), daemon.problems()], [[], []]);
  t.ok(await isOpen(21108));
  daemon.detach();
});

t.test('a socket that nobody wants is a difference, and is closed', async (t) => {
  const proxy = proxyFor(t);
  const daemon = proxy.supervise();
  t.same(await daemon.sync(new Map([[owner('a'), [to(21110)]]])), []);
  // A daemon of before that died in the middle of a call.
  const wire = ['tcp', '127.0.0.1', 21111, '127.0.0.1', 80, 'forward'];
  const request = { id: 1, op: 'open', owner: 'stranger', listeners: [wire] };
  // The daemon of now takes the connection back, maybe before the request is read.
  for (let answered = false; !answered; ) {
    const control = net.connect(proxy.controlPath).on('error', () => undefined);
    control.write(`${JSON.stringify(request)}\n`);
    answered = await new Promise((resolve) => {
      control.once('data', () => resolve(true)).once('close', () => resolve(false));
    });
    control.destroy();
  }
  await eventually(async () => !(await isOpen(21111)));
  t.same(await daemon.differences(), []);
  t.ok(await isOpen(21110));
  daemon.detach();
});

t.test('a socket file that nobody listens on is no process', async (t) => {
  const proxy = proxyFor(t);
  const dead = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen('${proxy.controlPath}', () => console.log('there'))`,
  ]);
  await once(dead.stdout, 'data');
  dead.kill('SIGKILL');
  await once(dead, 'exit');
  t.ok(existsSync(proxy.controlPath));
  const daemon = proxy.supervise();
  t.same(await daemon.sync(new Map()), [], 'nothing is started for nothing');
  t.equal(proxy.processes.length, 0);
  t.same(await daemon.open(owner('a'), [to(21112)]), []);
  t.ok(await isOpen(21112));
  daemon.detach();
});

t.test('a listener too busy to take a connection is there: no rival is started', async (t) => {
  const proxy = proxyFor(t);
  const busy = await listenAndStop(proxy.controlPath);
  t.teardown(() => busy.kill('SIGKILL'));
  const waiting = await fill(proxy.controlPath);
  const daemon = proxy.supervise(silent, { silenceMs: 300 });
  await t.rejects(daemon.open(owner('a'), [to(21113)]), {
    code: 'proxy-unavailable',
    message: /resource temporarily unavailable/,
  });
  t.equal(proxy.processes.length, 0);
  daemon.detach();
  for (const socket of waiting) socket.destroy();
});

t.test('killed and stopped at any moment, it ends up with what is wanted', async (t) => {
  const proxy = proxyFor(t);
  const daemon = proxy.supervise(silent, hangs);
  const ports = [21121, 21122, 21123, 21124, 21125, 21126];
  t.same(await daemon.sync(new Map()), []);
  let wanted = new Set<number>();
  for (let round = 0; round < 8; round += 1) {
    const signal = round % 4 === 3 ? 'SIGSTOP' : 'SIGKILL';
    // Round by round a bit later in what the calls do.
    const struck = sleep(round * 3).then(() => proxy.processes.at(-1)?.kill(signal));
    const next = new Set(ports.filter((port, index) => ((port * 7 + round) >> (index % 3)) & 1));
    for (const port of ports) {
      if (next.has(port) === wanted.has(port)) continue;
      const id = owner(String(port));
      // What fails is repeated, as the engine's next call would.
      await eventually(() =>
        (next.has(port) ? daemon.open(id, [to(port)]) : daemon.close(id)).then(
          () => true,
          () => false,
        ),
      );
    }
    wanted = next;
    await struck;
    // Whatever the moment was, a request finds a process that hangs.
    await daemon.differences();
    await eventually(async () => {
      const open = await Promise.all(ports.map(isOpen));
      return ports.every((port, index) => open[index] === wanted.has(port));
    });
  }
  t.same(await daemon.differences(), []);
  t.match(await daemon.stats(), { listeners: wanted.size });
  t.ok(proxy.processes.length > 3, `${proxy.processes.length} processes`);
  daemon.detach();
});

/** A process that listens and does nothing else. */
async function listenAndStop(path: string): Promise<ChildProcess> {
  const listen = `require('net').createServer().listen({path: '${path}', backlog: 1}, () => console.log('there'))`;
  const child = spawn(process.execPath, ['-e', listen]);
  await once(child.stdout, 'data');
  child.kill('SIGSTOP');
  return child;
}

/** As many connections as the kernel takes in the listener's stead. */
async function fill(path: string): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  for (;;) {
    const socket = net.connect(path);
    sockets.push(socket);
    const full = await new Promise((resolve) => {
      socket.once('connect', () => resolve(false));
      socket.once('error', () => resolve(true));
    });
    if (full) return sockets;
  }
}
