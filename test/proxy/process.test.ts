/** The proxy process for real, on the loopback interface. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type EndpointId, parseEndpointId } from '../../src/core/names.js';
import type { Protocol } from '../../src/core/port.js';
import type { Listener, Log } from '../../src/driver/host.js';
import { lineSplitter } from '../../src/proxy/control.js';
import { socketAddress } from '../../src/proxy/socket.js';
import { ProxySupervisor } from '../../src/proxy/supervisor.js';
import { makeBinding } from '../helpers/golden.js';

const main = fileURLToPath(new URL('../../src/proxy/main.ts', import.meta.url));
const ignore = () => undefined;
const log: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const owner = (seed: string): EndpointId => {
  const id = parseEndpointId(createHash('sha256').update(seed).digest('hex'));
  if (id === undefined) throw new Error('no id');
  return id;
};
const listener = (
  host: string,
  container: string,
  protocol: Protocol = 'tcp',
  mode: Listener['mode'] = 'forward',
): Listener => ({ binding: makeBinding(host, container, protocol), mode });

const folder = mkdtempSync(join(tmpdir(), 'tsbridge-proxy-'));
const controlPath = join(folder, 'proxy.sock');
const processes: ChildProcess[] = [];
const startProcess = () => {
  const child = spawn(process.execPath, ['--import=tsx', main, controlPath], { stdio: 'ignore' });
  processes.push(child);
  const ended = once(child, 'exit').then(([code]) => ({ description: `exit code ${code}` }));
  return { unref: () => child.unref(), ended };
};
const supervise = () => new ProxySupervisor({ controlPath, startProcess, log });
t.teardown(() => {
  for (const child of processes) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A server that answers with what it got, upper-cased, once the client has ended its side. */
const echo = net.createServer({ allowHalfOpen: true }, (socket) => {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', ignore);
  socket.on('end', () => {
    const all = Buffer.concat(chunks);
    const long = all.length > 1000;
    socket.end(long ? createHash('sha256').update(all).digest('hex') : `${all}`.toUpperCase());
  });
});
echo.listen(0, '127.0.0.1');
await once(echo, 'listening');
t.teardown(() => echo.close());
const container = `127.0.0.1:${(echo.address() as net.AddressInfo).port}`;

/** Sends, ends its side, and answers with all that comes back. */
async function ask(host: string, port: number, message: string | Buffer): Promise<string> {
  const socket = net.connect({ host, port, allowHalfOpen: true });
  socket.end(message);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

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

t.test('two UDP clients at once', async (t) => {
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
  processes.at(-1)?.kill('SIGKILL');
  let back = '';
  for (let attempt = 0; attempt < 200 && back === ''; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    back = await ask('127.0.0.1', 21008, 'back').catch(() => '');
  }
  t.equal(back, 'BACK');
  await second.close(owner('d'));
  second.detach();
});

t.test('a process that cannot be started', async (t) => {
  const broken = () => ({
    unref: ignore,
    ended: Promise.resolve({ description: 'no such program' }),
  });
  const proxy = new ProxySupervisor({
    controlPath: join(folder, 'none.sock'),
    startProcess: broken,
    log,
  });
  await t.rejects(proxy.open(owner('f'), [listener('127.0.0.1:21010', container)]), {
    code: 'proxy-unavailable',
    message: /no such program/,
  });
});

t.test('lines and addresses', async (t) => {
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
