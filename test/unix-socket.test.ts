/** A real unix socket, and bytes as engines and others send them. */
import { spawn } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createServer } from '../src/frontends/libnetwork/server.js';
import { RecordingDriver } from './fakes/recording-driver.js';
import { RecordingLog } from './fakes/recording-log.js';
import { Client, folderFor, leaveBody, request, setUp } from './process/socket-client.js';

t.test('the socket is for root alone, and goes when the daemon does', async (t) => {
  const { path, server } = await setUp(t);
  t.equal(statSync(path).mode & 0o777, 0o600);
  await server.close();
  t.notOk(existsSync(path));
});

t.test('requests with and without Host header are served', async (t) => {
  const { path, driver } = await setUp(t);
  const client = await Client.open(path, t);
  for (const host of ['', 'plugin.moby.localhost', '%2Frun%2Fx.sock']) {
    client.socket.write(request('NetworkDriver.Leave', leaveBody, host));
    t.strictSame(await client.answer(), { status: 200, json: {} }, `Host: "${host}"`);
  }
  client.socket.write(request('Plugin.Activate', ''));
  t.strictSame(await client.answer(), { status: 200, json: { Implements: ['NetworkDriver'] } });
  client.socket.write(`POST /Plugin.Activate HTTP/1.1\r\n\r\n`);
  t.match(await client.answer(), { status: 200 }, 'no Host, no length');
  client.socket.write(request('NetworkDriver.Leave', ''));
  t.match(await client.answer(), { status: 400, json: { Err: /no body/ } }, 'an emptied retry');
  const half = Math.floor(leaveBody.length / 2);
  client.socket.write(
    'POST /NetworkDriver.Leave HTTP/1.1\r\nHost: \r\nTransfer-Encoding: chunked\r\n\r\n' +
      `${half.toString(16)}\r\n${leaveBody.slice(0, half)}\r\n` +
      `${(leaveBody.length - half).toString(16)}\r\n${leaveBody.slice(half)}\r\n0\r\n\r\n`,
  );
  t.strictSame(await client.answer(), { status: 200, json: {} }, 'chunked');
  t.strictSame(driver.names, ['leave', 'leave', 'leave', 'leave']);
});

t.test('no time-out of ours ends a connection', async (t) => {
  const { server, path } = await setUp(t);
  const { keepAliveTimeout, requestTimeout, headersTimeout, timeout } = server.app.server;
  t.strictSame([keepAliveTimeout, requestTimeout, headersTimeout, timeout], [0, 0, 0, 0]);
  const client = await Client.open(path, t);
  client.socket.write(request('Plugin.Activate', ''));
  await client.answer();
  await new Promise((resolve) => setTimeout(resolve, 50));
  client.socket.write(request('Plugin.Activate', ''));
  t.match(await client.answer(), { status: 200 }, 'idle, then used again');
});

t.test('a body that comes in pieces, or never', async (t) => {
  const { path, driver, server } = await setUp(t);
  const slow = await Client.open(path, t);
  const stuck = await Client.open(path, t);
  const gone = await Client.open(path, t);
  const bytes = request('NetworkDriver.Leave', leaveBody);
  stuck.socket.write(bytes.slice(0, -20));
  gone.socket.write(bytes.slice(0, -20));
  for (const byte of bytes) slow.socket.write(byte);
  t.strictSame(await slow.answer(), { status: 200, json: {} });
  gone.socket.destroy();
  const other = await Client.open(path, t);
  other.socket.write(bytes);
  t.strictSame(await other.answer(), { status: 200, json: {} }, 'nobody else waits');
  t.equal(driver.calls.length, 2, 'half a request does nothing');
  t.notOk(stuck.ended, 'nor is it hurried');
  await server.close();
  await stuck.closed();
  t.equal(driver.calls.length, 2);
});

t.test('pipelined requests are answered in order', async (t) => {
  const first: { open?: () => void } = {};
  const gate = new Promise<void>((resolve) => {
    first.open = resolve;
  });
  const { path, driver } = await setUp(t, ({ name }) => (name === 'leave' ? gate : undefined));
  const client = await Client.open(path, t);
  client.socket.write(
    request('NetworkDriver.Leave', leaveBody) +
      request('NetworkDriver.Nonsense', '{}') +
      request('NetworkDriver.DeleteEndpoint', leaveBody),
  );
  while (driver.calls.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  first.open?.();
  t.match(await client.answer(), { status: 200 });
  t.match(await client.answer(), { status: 404, json: { Err: String } });
  t.match(await client.answer(), { status: 200 });
});

t.test('bytes that are no HTTP are refused', async (t) => {
  const { path, log } = await setUp(t);
  for (const bytes of [
    '\x16\x03\x01\x02\x00\x01\x00',
    'hello\r\n\r\n',
    'POST / HTTP/9.9\r\n\r\n',
  ]) {
    const client = await Client.open(path, t);
    client.socket.write(bytes);
    t.match(await client.answer(), { status: 400, json: { Err: /not HTTP/ } });
    await client.closed();
  }
  const headers = await Client.open(path, t);
  headers.socket.write(`POST / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`);
  t.match(await headers.answer(), { status: 400, json: { Err: /HEADER_OVERFLOW/ } });
  t.equal(log.lines.filter(({ message }) => message === 'request is not HTTP').length, 4);
  const reset = await Client.open(path, t);
  reset.socket.write('POST /Plugin.Activate HTTP/1.1\r\n');
  reset.socket.destroy();
  const client = await Client.open(path, t);
  client.socket.write(request('Plugin.Activate', ''));
  t.match(await client.answer(), { status: 200 }, 'the server is still there');
});

t.test('a body beyond the limit, announced or not', async (t) => {
  const { path, driver } = await setUp(t, undefined, { bodyLimitBytes: 10_000 });
  const announced = await Client.open(path, t);
  announced.socket.write(request('NetworkDriver.Leave', 'x'.repeat(20_000)));
  t.match(await announced.answer(), { status: 400, json: { Err: /too large/ } });
  const chunked = await Client.open(path, t);
  chunked.socket.write('POST /NetworkDriver.Leave HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (let chunk = 0; chunk < 4; chunk += 1) {
    chunked.socket.write(`1000\r\n${'x'.repeat(0x1000)}\r\n`);
  }
  t.match(await chunked.answer(), { status: 400, json: { Err: /too large/ } });
  t.strictSame(driver.calls, []);
});

t.test('large bodies are read one after the other', async (t) => {
  const { path, driver } = await setUp(t, undefined, { bodyLimitBytes: 100_000 });
  const bytes = request('NetworkDriver.Leave', `${leaveBody}${' '.repeat(60_000)}`);
  const first = await Client.open(path, t);
  const second = await Client.open(path, t);
  const gone = await Client.open(path, t);
  first.socket.write(bytes.slice(0, -10));
  await new Promise((resolve) => setTimeout(resolve, 20));
  gone.socket.write(bytes);
  second.socket.write(bytes);
  const small = await Client.open(path, t);
  small.socket.write(request('NetworkDriver.Leave', leaveBody));
  t.strictSame(await small.answer(), { status: 200, json: {} }, 'a small one need not wait');
  t.equal(driver.calls.length, 1);
  gone.socket.destroy();
  first.socket.write(bytes.slice(-10));
  t.strictSame(await first.answer(), { status: 200, json: {} });
  t.strictSame(await second.answer(), { status: 200, json: {} });
  const third = await Client.open(path, t);
  third.socket.write(bytes.slice(0, -10));
  await new Promise((resolve) => setTimeout(resolve, 20));
  third.socket.destroy();
  second.socket.write(bytes);
  t.strictSame(await second.answer(), { status: 200, json: {} }, 'who is gone leaves its room');
});

t.test('closing answers what is being worked on', async (t) => {
  const gate: { open?: () => void } = {};
  const wait = new Promise<void>((resolve) => {
    gate.open = resolve;
  });
  const { path, driver, server } = await setUp(t, () => wait);
  const idle = await Client.open(path, t);
  idle.socket.write(request('Plugin.Activate', ''));
  await idle.answer();
  const busy = await Client.open(path, t);
  busy.socket.write(request('NetworkDriver.Leave', leaveBody));
  while (driver.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const closed = server.close();
  await idle.closed();
  t.notOk(busy.ended);
  gate.open?.();
  t.strictSame(await busy.answer(), { status: 200, json: {} });
  await closed;
});

t.test('a socket path that is taken is handled by what has it', async (t) => {
  const driver = new RecordingDriver();
  const make = () => createServer({ driver, log: new RecordingLog(), deadlineMs: 1000 });

  t.test('a daemon that listens is not pushed away', async (t) => {
    const { path } = await setUp(t);
    const second = make();
    await t.rejects(second.listen({ path }), {
      code: 'socket-unavailable',
      message: /another process listens on .*tsbridge\.sock: stop it/,
    });
    await second.close();
    const client = await Client.open(path, t);
    client.socket.write(request('Plugin.Activate', ''));
    t.match(await client.answer(), { status: 200 });
  });

  t.test('a socket left over from a crash goes', async (t) => {
    const path = join(folderFor(t), 'stale.sock');
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await new Promise((resolve) => spawn(process.execPath, ['-e', script]).once('close', resolve));
    t.ok(statSync(path).isSocket(), 'there is one');
    const server = make();
    await server.listen({ path });
    t.equal(statSync(path).mode & 0o777, 0o600);
    await server.close();
  });

  t.test("a file in the socket's place is left alone, and refused", async (t) => {
    const path = join(folderFor(t), 'file');
    writeFileSync(path, 'precious');
    await t.rejects(make().listen({ path }), { message: /is not a socket: remove it/ });
    t.ok(existsSync(path));
  });

  t.test('a socket that the host refuses is an error with its reason', async (t) => {
    const folder = folderFor(t);
    writeFileSync(join(folder, 'file'), '');
    await t.rejects(make().listen({ path: join(folder, 'file', 'x.sock') }), {
      code: 'socket-unavailable',
      message: /^listening on .*x\.sock: /,
    });
    await t.rejects(make().listen({ path: join(folder, 'x'.repeat(200)) }), {
      message: /longer than the 107 bytes/,
    });
    await t.rejects(make().listen({ path: 'a\0b' }), { code: 'socket-unavailable' });
    await t.rejects(make().listen({ fd: 9999 }), {
      message: /^listening on inherited file descriptor 9999: /,
    });
  });
});
