/** TCP connections through the proxy process: everything that a direct connection would do. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  ask,
  eventually,
  freePort,
  listener,
  ownerOf,
  ProxyProcess,
  serve,
} from '../process/proxy-process.js';

const ignore = () => undefined;
const proxy = new ProxyProcess();
const daemon = proxy.supervise();
t.teardown(() => {
  daemon.detach();
  proxy.dispose();
});
const owner = ownerOf('streams');
/** A published port that leads there. */
async function publish(address: string): Promise<number> {
  const port = await freePort();
  const failures = await daemon.open(owner, [listener(`127.0.0.1:${port}`, address)]);
  if (failures.length > 0) throw new Error(JSON.stringify(failures));
  return port;
}
const connect = async (port: number): Promise<net.Socket> => {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', ignore);
  await once(socket, 'connect');
  return socket;
};
const noConnections = () => eventually(async () => (await daemon.stats())?.connections === 0);
const upper = await serve((socket) => {
  socket.on('data', (chunk) => socket.write(String(chunk).toUpperCase()));
  socket.on('end', () => socket.end());
});
t.teardown(() => upper.close());
const upperPort = await publish(upper.address);

t.test('the container ends its side first, and still gets what the client sends', async (t) => {
  const received: Buffer[] = [];
  let whole: string | undefined;
  const server = await serve((socket) => {
    socket.end('all I have to say');
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.on('end', () => {
      whole = createHash('sha256').update(Buffer.concat(received)).digest('hex');
    });
  });
  const socket = await connect(await publish(server.address));
  let greeting = '';
  socket.on('data', (chunk) => {
    greeting += String(chunk);
  });
  await once(socket, 'end');
  t.equal(greeting, 'all I have to say');
  const much = Buffer.alloc(5_000_000, 'half-closed ');
  socket.end(much);
  await eventually(() => whole !== undefined);
  t.equal(whole, createHash('sha256').update(much).digest('hex'));
  server.close();
});

t.test('bytes pass through the proxy both ways at once', async (t) => {
  const server = await serve((socket) => socket.pipe(socket));
  const port = await publish(server.address);
  const bytes = Buffer.alloc(10_000_000, 'to and fro ');
  const wanted = createHash('sha256').update(bytes).digest('hex');
  const hashes = await Promise.all(
    [1, 2, 3].map(async () => {
      const socket = await connect(port);
      const hash = createHash('sha256');
      socket.end(bytes);
      for await (const chunk of socket) hash.update(chunk as Buffer);
      return hash.digest('hex');
    }),
  );
  t.same(hashes, [wanted, wanted, wanted]);
  server.close();
});

t.test('who does not read is waited for, in bounded memory, and nobody else is', async (t) => {
  const bytes = Buffer.alloc(60_000_000, 'for a slow reader ');
  const senders: net.Socket[] = [];
  const server = await serve((socket) => {
    senders.push(socket);
    socket.end(bytes);
  });
  const port = await publish(server.address);
  const before = proxy.residentBytes;
  const readers = await Promise.all([1, 2].map(() => connect(port)));
  // Nobody reads: at some point nothing more goes out.
  const sent = () => senders.reduce((sum, one) => sum + one.bytesWritten - one.writableLength, 0);
  await eventually(() => senders.length === 2);
  for (let last = -1; last !== sent(); ) {
    last = sent();
    await sleep(300);
  }
  t.ok(sent() < 2 * bytes.length, 'the senders wait');
  t.ok(proxy.residentBytes - before < 20_000_000, 'nothing heaps up in the process');
  t.equal(await ask('127.0.0.1', upperPort, 'meanwhile'), 'MEANWHILE');
  const hashes = await Promise.all(
    readers.map(async (reader) => {
      const hash = createHash('sha256');
      for await (const chunk of reader) hash.update(chunk as Buffer);
      reader.end();
      return hash.digest('hex');
    }),
  );
  t.same(new Set(hashes), new Set([createHash('sha256').update(bytes).digest('hex')]));
  server.close();
});

t.test('many short connections, and nothing is left of them', async (t) => {
  await noConnections();
  const before = proxy.descriptors;
  let left = 1_000;
  let right = 0;
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      if ((await ask('127.0.0.1', upperPort, 'short')) === 'SHORT') right += 1;
    }
  };
  await Promise.all(Array.from({ length: 20 }, client));
  t.equal(right, 1_000);
  await noConnections();
  // Spare pipes stay.
  t.ok(proxy.descriptors <= before + 16, 'descriptors');
});

t.test('a reset passes through the proxy, either way', async (t) => {
  let accepted: net.Socket | undefined;
  const server = await serve((socket) => {
    accepted = socket;
  });
  const port = await publish(server.address);
  const begin = async () => {
    accepted = undefined;
    const client = await connect(port);
    client.write('x');
    // libuv takes data and a reset that come together for an ordinary end.
    await eventually(() => accepted?.bytesRead === 1);
    return { client, inside: accepted as unknown as net.Socket };
  };
  const first = await begin();
  first.client.resetAndDestroy();
  const [error] = await once(first.inside.resume(), 'error');
  t.match(error, { code: 'ECONNRESET' }, 'of the client');
  const second = await begin();
  second.inside.resetAndDestroy();
  const [other] = await once(second.client.resume(), 'error');
  t.match(other, { code: 'ECONNRESET' }, 'of the container');
  const third = await begin();
  third.client.end();
  await once(third.inside.resume(), 'end');
  third.client.resetAndDestroy();
  // Whoever has read the end learns of a reset by writing.
  await eventually(() => {
    if (third.inside.errored === null) third.inside.write('y');
    return third.inside.errored !== null;
  });
  t.ok(third.inside.errored, 'of a client that had ended its side');
  await noConnections();
  server.close();
});

t.test('closing a port ends its connections, after what they have said', async (t) => {
  const server = await serve((socket) => socket.write('last words'));
  const port = await publish(server.address);
  const socket = await connect(port);
  await once(socket, 'readable');
  const wanted = [listener(`127.0.0.1:${port}`, server.address)];
  await daemon.close(owner, wanted);
  t.equal(String(socket.read()), 'last words');
  await once(socket.resume(), 'end');
  t.pass('ended');
  server.close();
});
