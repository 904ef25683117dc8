/** The proxy process lives longer than its daemon, and another one takes its place. */
import { once } from 'node:events';
import net from 'node:net';
import t from 'tap';
import { lineSplitter, type Request } from '../../src/proxy/control.js';
import {
  ask,
  eventually,
  listener,
  ownerOf as owner,
  ProxyProcess,
  serveEcho,
} from '../process/proxy-process.js';

const shared = new ProxyProcess();
const supervise = () => shared.supervise();
t.teardown(() => shared.dispose());

const echo = await serveEcho();
t.teardown(() => echo.close());
const container = echo.address;

t.test('the process outlives its daemon, and a new daemon finds it', async (t) => {
  const first = supervise();
  await first.open(owner('d'), [listener('127.0.0.1:21008', container)]);
  await first.open(owner('e'), [listener('127.0.0.1:21009', container)]);
  const open = net.connect({ host: '127.0.0.1', port: 21008, allowHalfOpen: true });
  await once(open, 'connect');
  first.detach();
  const second = supervise();
  const keep = new Map([[owner('d'), [listener('127.0.0.1:21008', container)]]]);
  t.same(await second.sync(keep), []);
  open.end('over');
  const [answer] = await once(open, 'data');
  t.equal(`${answer}`, 'OVER', 'the connection lived on');
  await t.rejects(ask('127.0.0.1', 21009, 'x'), { code: 'ECONNREFUSED' }, 'not wanted any more');
  // The proxy dies: its ports come back with another process.
  shared.processes.at(-1)?.kill('SIGKILL');
  let back = '';
  for (let attempt = 0; attempt < 200 && back === ''; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    back = await ask('127.0.0.1', 21008, 'back').catch(() => '');
  }
  t.equal(back, 'BACK');
  await second.close(owner('d'));
  second.detach();
});

t.test('a process that cannot hand over serves until all is known, and is replaced', async (t) => {
  const old = new ProxyProcess();
  t.teardown(() => old.dispose());
  const held = net.createServer((socket) => socket.end('OLD'));
  held.listen(21011, '127.0.0.1');
  await once(held, 'listening');
  const asked: string[] = [];
  // What an older one does with requests that it knows, in the form that they have always had.
  const server = net.createServer((socket) => {
    const feed = lineSplitter((line) => {
      const { id, op } = JSON.parse(line) as Request;
      asked.push(op);
      if (op === 'retire') held.close();
      socket.write(`${JSON.stringify({ id, version: 1 })}\n`);
      if (op === 'retire') server.close();
    });
    socket.setEncoding('utf8').on('data', (chunk) => feed(String(chunk)));
  });
  server.listen(old.controlPath);
  await once(server, 'listening');
  const daemon = old.supervise();
  daemon.prepare();
  t.match(await daemon.stats(), { listeners: 0 }, 'the new one is there');
  t.same(asked, ['hello']);
  t.equal(await ask('127.0.0.1', 21011, 'x'), 'OLD', 'and the old one serves');
  const wanted = new Map([[owner('v'), [listener('127.0.0.1:21011', container)]]]);
  t.same(await daemon.sync(wanted), []);
  t.same(asked, ['hello', 'retire']);
  t.equal(await ask('127.0.0.1', 21011, 'new'), 'NEW');
  t.equal(old.processes.length, 1, 'the one that was ready');
  t.same(await daemon.sync(wanted), [], 'which nothing ends');
  t.equal(await ask('127.0.0.1', 21011, 'new'), 'NEW');
  daemon.detach();
  const next = old.supervise();
  t.same(await next.sync(wanted), []);
  t.equal(old.processes.length, 1, 'and which the next daemon finds');
  next.detach();
});

t.test(
  'what an owner has of whom nothing is known stays, also with the next process',
  async (t) => {
    const shared = new ProxyProcess();
    t.teardown(() => shared.dispose());
    const first = shared.supervise();
    t.same(await first.open(owner('known'), [listener('127.0.0.1:21016', container)]), []);
    t.same(await first.open(owner('unknown'), [listener('127.0.0.1:21017', container)]), []);
    first.detach();
    const second = shared.supervise();
    t.same(await second.sync(new Map(), new Set([owner('unknown'), owner('nobody')])), []);
    await t.rejects(ask('127.0.0.1', 21016, 'x'), { code: 'ECONNREFUSED' }, 'not wanted any more');
    t.equal(await ask('127.0.0.1', 21017, 'kept'), 'KEPT');
    t.same(await second.differences(), [], 'and is no difference');
    shared.processes.at(-1)?.kill('SIGKILL');
    await eventually(async () => (await ask('127.0.0.1', 21017, 'x').catch(() => '')) === 'X');
    await second.close(owner('unknown'));
    second.detach();
  },
);

t.test('one that retires gives its ports back and keeps its connections', async (t) => {
  const old = new ProxyProcess();
  t.teardown(() => old.dispose());
  const daemon = old.supervise();
  await daemon.open(owner('r'), [listener('127.0.0.1:21012', container)]);
  const open = net.connect({ host: '127.0.0.1', port: 21012, allowHalfOpen: true });
  open.write('before, ');
  await eventually(async () => (await daemon.stats())?.connections === 1);
  daemon.detach();
  const control = net.connect(old.controlPath);
  control.write('{"id":1,"op":"retire"}\n');
  await once(control, 'data');
  const ended = eventually(() => old.processes[0]?.exitCode === 0);
  const successor = old.supervise();
  t.same(await successor.open(owner('r'), [listener('127.0.0.1:21012', container)]), []);
  t.equal(old.processes.length, 2);
  open.end('and after');
  const [answer] = await once(open, 'data');
  t.equal(`${answer}`, 'BEFORE, AND AFTER');
  await ended;
  t.equal(await ask('127.0.0.1', 21012, 'next'), 'NEXT', 'by the successor');
  successor.detach();
});
