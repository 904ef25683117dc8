/** The proxy process for real, on the loopback interface. */
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import t from 'tap';
import { startTimeout } from '../../src/daemon/proxy.js';
import { lineSplitter } from '../../src/proxy/control.js';
import { socketAddress } from '../../src/proxy/process/system/socket-address.js';
import { makeBinding } from '../golden/golden.js';
import {
  ask,
  eventually,
  listener,
  ownerOf as owner,
  ProxyProcess,
  serve,
  serveEcho,
  silent,
} from '../process/proxy-process.js';

const shared = new ProxyProcess();
const supervise = () => shared.supervise();
t.teardown(() => shared.dispose());

const echo = await serveEcho();
t.teardown(() => echo.close());
const container = echo.address;

t.test('TCP with half-close, both families, and much of it', async (t) => {
  const proxy = supervise();
  const wanted = [listener('127.0.0.1:21001', container), listener('[::1]:21001', container)];
  t.same(await proxy.open(owner('a'), wanted), []);
  t.equal(await ask('127.0.0.1', 21001, 'hello'), 'HELLO');
  t.equal(await ask('::1', 21001, 'hello'), 'HELLO', 'IPv6 outside, IPv4 inside');
  const big = Buffer.alloc(20_000_000, 'abcdefg');
  t.equal(await ask('127.0.0.1', 21001, big), createHash('sha256').update(big).digest('hex'));
  const dead = listener('127.0.0.1:21002', '127.0.0.1:1');
  t.same(await proxy.open(owner('a'), [dead]), []);
  await t.rejects(ask('127.0.0.1', 21002, 'x'), { code: 'ECONNRESET' }, 'nobody there');
  t.match(await proxy.stats(), { listeners: 3 });
  await proxy.close(owner('a'), [dead]);
  await t.rejects(ask('127.0.0.1', 21002, 'x'), { code: 'ECONNREFUSED' });
  t.equal(await ask('127.0.0.1', 21001, 'still'), 'STILL');
  await proxy.close(owner('a'));
  await t.rejects(ask('127.0.0.1', 21001, 'x'), { code: 'ECONNREFUSED' });
  await proxy.close(owner('a'));
  proxy.detach();
});

t.test('what cannot be had is told, and the rest is there', async (t) => {
  const proxy = supervise();
  const taken = net.createServer().listen(21003, '127.0.0.1');
  await once(taken, 'listening');
  const failures = await proxy.open(owner('b'), [
    listener('127.0.0.1:21003', container),
    listener('192.0.2.77:21004', container),
    listener('127.0.0.1:21005', container),
    listener('127.0.0.1:21006', container, 'tcp', 'reserve'),
  ]);
  t.same(
    failures.map(({ code, syscall, listener: { binding } }) => [code, syscall, binding.hostPort]),
    [
      ['EADDRINUSE', 'bind', 21003],
      ['EADDRNOTAVAIL', 'bind', 21004],
    ],
  );
  t.equal(await ask('127.0.0.1', 21005, 'x'), 'X');
  const again = net.createServer().listen(21006, '127.0.0.1');
  const [error] = await once(again, 'error');
  t.match(error, { code: 'EADDRINUSE' }, 'a reserved port is kept from others');
  taken.close();
  await proxy.close(owner('b'));
  proxy.detach();
});

t.test('a port that was kept closed and is another program’s by then stays wanted', async (t) => {
  const proxy = supervise();
  const taken = net.createServer().listen(21077, '127.0.0.1');
  await once(taken, 'listening');
  const both = [listener('127.0.0.1:21077', container), listener('127.0.0.1:21078', container)];
  t.match(await proxy.hold(owner('h'), both), [{ code: 'EADDRINUSE' }]);
  t.match(proxy.problems(), [/127\.0\.0\.1:21077\/tcp is not held: bind: EADDRINUSE$/]);
  t.equal(await ask('127.0.0.1', 21078, 'x'), 'X');
  t.match(await proxy.differences(), [/^open socket tcp 127\.0\.0\.1:21077/]);
  taken.close();
  await once(taken, 'close');
  t.match(await proxy.repair(), [/^open socket tcp 127\.0\.0\.1:21077/]);
  t.equal(await ask('127.0.0.1', 21077, 'x'), 'X');
  await proxy.close(owner('h'));
  proxy.detach();
});

t.test('two UDP clients at once get each its own answers', async (t) => {
  const proxy = supervise();
  const server = dgram.createSocket('udp4');
  server.on('message', (message, from) => server.send(`${message}!`, from.port, from.address));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const inside = `127.0.0.1:${server.address().port}`;
  t.same(await proxy.open(owner('c'), [listener('127.0.0.1:21007', inside, 'udp')]), []);
  const clients = ['one', 'two'].map(async (name) => {
    const socket = dgram.createSocket('udp4');
    socket.send(name, 21007, '127.0.0.1');
    const [first] = await once(socket, 'message');
    socket.send(`${name} again`, 21007, '127.0.0.1');
    const [second] = await once(socket, 'message');
    socket.close();
    return `${first} ${second}`;
  });
  t.same(await Promise.all(clients), ['one! one again!', 'two! two again!']);
  server.close();
  await proxy.close(owner('c'));
  proxy.detach();
});

t.test('more clients than descriptors wait for their turn', async (t) => {
  const limited = new ProxyProcess({}, ['prlimit', '--nofile=60:100']);
  t.teardown(() => limited.dispose());
  const daemon = limited.supervise();
  let inside = 0;
  const server = await serve((socket) => {
    inside += 1;
    socket.pipe(socket);
  });
  t.same(await daemon.open(owner('l'), [listener('127.0.0.1:21013', server.address)]), []);
  const limits = readFileSync(`/proc/${limited.pid}/limits`, 'utf8');
  t.match(limits, /Max open files +100 +100/, 'as many as the system lets it have');
  const clients = Array.from({ length: 60 }, () => {
    const socket = net.connect({ host: '127.0.0.1', port: 21013, allowHalfOpen: true });
    socket.write('x');
    return socket;
  });
  await Promise.all(clients.slice(0, 10).map((socket) => once(socket, 'data')));
  t.match(await daemon.stats(), { listeners: 1 }, 'the daemon is heard all the while');
  t.ok(inside < 60, 'some wait');
  const rest = clients
    .slice(10)
    .map((socket) => (socket.bytesRead > 0 ? [] : once(socket, 'data')));
  for (const socket of clients) socket.end();
  await Promise.all(rest);
  t.equal(inside, 60, 'and all are served');
  daemon.detach();
  server.close();
});

t.test('no program that is started later gets its sockets', async (t) => {
  const daemon = supervise();
  await daemon.open(owner('x'), [
    listener('127.0.0.1:21014', container),
    listener('127.0.0.1:21014', container, 'udp'),
  ]);
  const open = net.connect({ host: '127.0.0.1', port: 21014 });
  await eventually(async () => ((await daemon.stats())?.connections ?? 0) > 0);
  const flags = shared.descriptorFlags();
  t.ok(flags.length > 4);
  t.same(
    flags.filter(({ target, closeOnExec }) => target.startsWith('socket:') && !closeOnExec),
    [],
  );
  open.destroy();
  await daemon.close(owner('x'));
  daemon.detach();
});

t.test('a proxy process that cannot be started is an error of the call', async (t) => {
  const broken = () => ({
    unref: () => undefined,
    kill: () => undefined,
    ended: Promise.resolve({ description: 'no such program' }),
  });
  const none = new ProxyProcess();
  t.teardown(() => none.dispose());
  const proxy = none.supervise(silent, { startProcess: broken });
  await t.rejects(proxy.open(owner('f'), [listener('127.0.0.1:21010', container)]), {
    code: 'proxy-unavailable',
    message: /no such program/,
  });
  proxy.detach();
});

t.test('a process that starts and does not answer', async (t) => {
  const killed: string[] = [];
  const mute = new ProxyProcess();
  t.teardown(() => mute.dispose());
  const proxy = mute.supervise(silent, {
    startProcess: () => ({
      unref: () => undefined,
      kill: (signal) => killed.push(signal),
      ended: new Promise(() => {}),
    }),
    startTimeoutMs: 50,
  });
  await t.rejects(proxy.open(owner('g'), [listener('127.0.0.1:21011', container)]), {
    code: 'proxy-unavailable',
    message: /no answer on .*proxy\/1/,
  });
  t.match(killed, ['SIGKILL'], 'it must not come back when another one holds the ports');
  proxy.detach();
});

t.test(
  'a start may take less time than a call, if the limit of a call is the default or longer',
  async (t) => {
    t.equal(startTimeout(1_000), 25_000, 'the start goes on after the call has ended');
    t.equal(startTimeout(30_000), 25_000);
    t.equal(startTimeout(600_000), 500_000);
  },
);

t.test('listeners are shown with their protocol and address', async (t) => {
  const lines: string[] = [];
  const feed = lineSplitter((line) => lines.push(line), 10);
  for (const chunk of ['ab', 'c\nde', '\n\nf']) feed(chunk);
  t.same(lines, ['abc', 'de', '']);
  t.throws(() => feed('0123456789'), /more than 10/);
  const bytes = (host: string) => {
    const { hostIp, hostPort } = makeBinding(host, '127.0.0.1:1');
    return Buffer.from(socketAddress(hostIp, hostPort)).toString('hex');
  };
  t.equal(bytes('127.0.0.1:80').slice(4), `00507f000001${'0'.repeat(16)}`);
  t.equal(bytes('[::1]:80').slice(4), `005000000000${'0'.repeat(31)}1${'0'.repeat(8)}`);
});
