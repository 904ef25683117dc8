/** The sockets of a proxy process go to one of another build: no client is refused, no connection ends. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import {
  ask,
  eventually,
  freePort,
  listener,
  ownerOf as owner,
  ProxyProcess,
  serve,
  silent,
} from '../process/proxy-process.js';

const container = await serve((socket) => socket.pipe(socket));
t.teardown(() => container.close());
const to = (port: number, mode?: 'forward' | 'reserve') =>
  listener(`127.0.0.1:${port}`, container.address, 'tcp', mode);

/** Two installations, one after the other, in the same runtime folder. */
function builds(t: { teardown(work: () => void): void }) {
  const settings = { build: 'old' };
  const proxy = new ProxyProcess(settings);
  t.teardown(() => proxy.dispose());
  const daemonOf = (build: string, other = {}) => {
    settings.build = build;
    return proxy.supervise(silent, other);
  };
  return { proxy, daemonOf };
}

/** Connects again and again, with a question each, until it is told to stop. */
function connectAllTheTime(port: number): () => Promise<{ asked: number; failed: string[] }> {
  let stopped = false;
  let asked = 0;
  const failed: string[] = [];
  const client = async (): Promise<void> => {
    while (!stopped) {
      asked += 1;
      await ask('127.0.0.1', port, 'question').then(
        (answer) => answer === 'question' || failed.push(`answer: ${answer}`),
        (error) => failed.push(String(error)),
      );
    }
  };
  const clients = Promise.all([client(), client(), client(), client()]);
  return async () => {
    stopped = true;
    await clients;
    return { asked, failed };
  };
}

t.test('under load, with connections open', async (t) => {
  const { proxy, daemonOf } = builds(t);
  const before = daemonOf('old');
  const wanted = new Map([
    [owner('a'), [to(21201), to(21202, 'reserve')]],
    [owner('b'), Array.from({ length: 300 }, (_, index) => to(22_000 + index))],
  ]);
  t.same(await before.sync(wanted), []);
  const open = net.connect({ host: '127.0.0.1', port: 21201 });
  open.write('before');
  t.equal(`${(await once(open, 'data'))[0]}`, 'before');
  const stop = connectAllTheTime(21201);
  before.detach();

  const daemon = daemonOf('new');
  t.same(await daemon.sync(wanted), []);
  const [old] = proxy.processes;
  await eventually(async () => (await daemon.stats())?.listeners === 302);
  t.match(await daemon.stats(), { build: 'new', pid: proxy.pid });
  t.same(await daemon.differences(), []);
  const { asked, failed } = await stop();
  t.same(failed, [], 'no client was refused or cut off');
  t.ok(asked > 20, `${asked} connections`);
  t.equal(old?.exitCode, null, 'the old process is there for its connection');
  open.write('after');
  t.equal(`${(await once(open, 'data'))[0]}`, 'after');
  open.end();
  await eventually(() => old?.exitCode === 0);
  t.equal(await ask('127.0.0.1', 22_299, 'x'), 'x');

  const names = readdirSync(proxy.folder, { recursive: true });
  t.same(names.sort(), ['proxy', 'proxy.sock', 'proxy/2'], 'nothing is left of the old one');
  t.ok(lstatSync(proxy.controlPath).isSymbolicLink());
  await daemon.close(owner('a'));
  await t.rejects(ask('127.0.0.1', 21201, 'x'), { code: 'ECONNREFUSED' }, 'nobody has a duplicate');
  daemon.detach();
});

t.test('UDP and the port stay, too', async (t) => {
  const { daemonOf } = builds(t);
  const server = dgram.createSocket('udp4');
  server.on('message', (message, from) => server.send(message, from.port, from.address));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const udp = listener('127.0.0.1:21203', `127.0.0.1:${server.address().port}`, 'udp');
  const wanted = new Map([[owner('u'), [udp]]]);
  const before = daemonOf('old');
  await before.sync(wanted);
  const client = dgram.createSocket('udp4');
  const echo = async (text: string): Promise<string> => {
    const answer = once(client, 'message');
    // A datagram may be lost that comes in the moment of the change.
    const again = setInterval(() => client.send(text, 21203, '127.0.0.1'), 200);
    client.send(text, 21203, '127.0.0.1');
    const [message] = await answer;
    clearInterval(again);
    return String(message);
  };
  t.equal(await echo('one'), 'one');
  before.detach();
  const daemon = daemonOf('new');
  t.same(await daemon.sync(wanted), []);
  t.equal(await echo('two'), 'two');
  t.match(await daemon.stats(), { build: 'new', listeners: 1 });
  await daemon.close(owner('u'));
  const free = dgram.createSocket('udp4').bind(21203, '127.0.0.1');
  await once(free, 'listening');
  for (const socket of [free, client, server]) socket.close();
  daemon.detach();
});

t.test('a new process that dies half-way leaves the old one serving', async (t) => {
  const { proxy, daemonOf } = builds(t);
  const before = daemonOf('old');
  const wanted = new Map([[owner('a'), [to(21204), to(21205)]]]);
  t.same(await before.sync(wanted), []);
  before.detach();
  // It answers to the first request, and is gone at the second.
  const daemon = daemonOf('new', {
    startProcess: (path: string) => {
      const server = net.createServer((socket) => {
        socket.once('data', () => {
          const about = { pid: 1, build: 'new', node: process.version, network, confined: false };
          socket.write(`${JSON.stringify({ id: 1, version: 2, about })}\n`);
          socket.once('data', () => socket.destroy());
        });
      });
      server.listen(path);
      const ended = once(server, 'close').then(() => ({ description: 'killed' }));
      return { unref: () => server.unref(), kill: () => server.close(), ended };
    },
  });
  const network = readlinkSync('/proc/self/ns/net');
  t.same(await daemon.sync(wanted), []);
  t.match(await daemon.stats(), { build: 'old', listeners: 2 });
  t.equal(await ask('127.0.0.1', 21205, 'x'), 'x');
  t.same(await daemon.open(owner('b'), [to(21206)]), [], 'and it takes orders');
  daemon.detach();
  const next = daemonOf('new');
  const all = new Map([...wanted, [owner('b'), [to(21206)]]]);
  t.same(await next.sync(all), []);
  t.match(await next.stats(), { build: 'new', listeners: 3 }, 'the next start tries again');
  t.equal(proxy.processes.length, 2);
  next.detach();
});

t.test(
  'sockets that a dead daemon left with two processes go from the one without the link',
  async (t) => {
    const { proxy, daemonOf } = builds(t);
    const daemon = daemonOf('old');
    const wanted = new Map([[owner('a'), [to(21207)]]]);
    t.same(await daemon.sync(wanted), []);
    daemon.detach();
    const path = `${proxy.folder}/proxy-9`;
    const rival = proxy.start(path);
    const control = await connectTo(path);
    const say = async (socket: net.Socket, request: object): Promise<string> => {
      socket.write(`${JSON.stringify({ id: 1, ...request })}\n`);
      return String((await once(socket, 'data'))[0]);
    };
    await say(control, { op: 'receive', path: `${proxy.folder}/handover` });
    const old = await connectTo(proxy.controlPath);
    await say(old, { op: 'give', path: `${proxy.folder}/handover` });
    t.match(await say(control, { op: 'adopt' }), '"listeners":1');
    for (const socket of [control, old]) socket.destroy();

    const next = daemonOf('old');
    t.same(await next.sync(wanted), []);
    t.match(await rival.ended, { description: 'exit code 0' });
    t.equal(await ask('127.0.0.1', 21207, 'x'), 'x');
    await next.close(owner('a'));
    await t.rejects(ask('127.0.0.1', 21207, 'x'), { code: 'ECONNREFUSED' });
    next.detach();
  },
);

t.test('a process in another network namespace is not used', async (t) => {
  const { proxy, daemonOf } = builds(t);
  const before = daemonOf('old');
  t.same(await before.sync(new Map([[owner('a'), [to(21208)]]])), []);
  before.detach();
  const own = { build: 'old', node: process.version, network: 'net:[1]' };
  const elsewhere = daemonOf('old', { own });
  await t.rejects(elsewhere.open(owner('b'), [to(21209)]), {
    code: 'proxy-unavailable',
    message: new RegExp(`process ${proxy.pid} holds 1 ports in another network .*--runtime-dir`),
  });
  t.equal(proxy.processes.length, 1);
  t.equal(await ask('127.0.0.1', 21208, 'x'), 'x', 'it is left alone');
  elsewhere.detach();
});

async function connectTo(path: string): Promise<net.Socket> {
  for (;;) {
    const socket = net.connect(path);
    const connected = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

t.test('a process that ends for want of work leaves nothing in the runtime folder', async (t) => {
  const proxy = new ProxyProcess({ lonelyMs: 100 });
  t.teardown(() => proxy.dispose());
  const daemon = proxy.supervise();
  t.same(await daemon.open(owner('a'), [to(await freePort())]), []);
  t.not(readdirSync(proxy.folder).length, 0);
  await daemon.close(owner('a'));
  daemon.detach();
  await eventually(() => proxy.processes[0]?.exitCode === 0);
  t.same(
    readdirSync(proxy.folder, { recursive: true }),
    ['proxy'],
    'the folder of the sockets stays',
  );
});

t.test(
  'sockets that a dead daemon left between two processes are free once they are closed',
  async (t) => {
    const { proxy, daemonOf } = builds(t);
    const port = await freePort();
    const wanted = new Map([[owner('a'), [to(port)]]]);
    const first = daemonOf('old');
    t.same(await first.sync(wanted), []);
    // What a daemon of the next build asks for, up to the moment in which it dies.
    const next = join(proxy.folder, 'proxy', '2');
    proxy.start(next);
    const path = join(proxy.folder, 'proxy', 'give');
    const to2 = await control(next, { op: 'receive', path });
    first.detach();
    const to1 = await control(proxy.controlPath, { op: 'give', path });
    for (const socket of [to1, to2]) socket.destroy();
    const second = daemonOf('old');
    t.same(await second.sync(wanted), []);
    await second.close(owner('a'));
    t.same(await second.open(owner('a'), [to(port)]), [], 'nobody else has the port any more');
    second.detach();
  },
);

/** A connection to a process, on which it has answered `request`. */
async function control(path: string, request: object): Promise<net.Socket> {
  const socket = await connectTo(path);
  socket.write(`${JSON.stringify({ id: 1, ...request })}\n`);
  await once(socket, 'data');
  return socket;
}
