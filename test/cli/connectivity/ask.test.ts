/** What a probe finds when it asks: every end of a connection is an answer, and none is an error. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import t from 'tap';
import { ask, plainAddress } from '../../../src/probe/ask.js';
import type { Question } from '../../../src/probe/protocol.js';

const address = '127.0.0.1';
const question = (probe: Question['probe'], port: number, timeoutMs = 60_000): Question => ({
  ...{ probe, family: 4, address, port, timeoutMs },
});

async function tcp(t: Tap, take: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    take(socket);
  });
  server.listen(0, address);
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function udp(t: Tap, answers: boolean): Promise<number> {
  const socket = createSocket('udp4');
  let heard = 0;
  socket.on('message', (_message, from) => {
    heard += 1;
    // The first one is lost, as while neighbours are looked for.
    if (answers && heard > 1) socket.send('198.18.0.2', from.port, from.address);
  });
  socket.bind(0, address);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return socket.address().port;
}
type Tap = { teardown(done: () => void): void };

t.test('by TCP: whom the server sees, or how it ended', async (t) => {
  const seeing = await tcp(t, (socket) => socket.end('::ffff:198.18.0.2\n'));
  t.match(await ask(question('tcp', seeing)), { answered: true, seen: '198.18.0.2' });
  const wordless = await tcp(t, (socket) => socket.end());
  t.strictSame(await ask(question('tcp', wordless)), { answered: false, why: 'closed' });
  const silent = await tcp(t, () => undefined);
  t.strictSame(await ask(question('tcp', silent, 50)), { answered: false, why: 'silent' });
  const resetting = await tcp(t, (socket) => socket.resetAndDestroy());
  t.strictSame(await ask(question('tcp', resetting)), { answered: false, why: 'ECONNRESET' });
  t.match(await ask(question('tcp', 0)), { answered: false, why: /^E[A-Z]+$/ });
});

t.test('by UDP: datagrams are sent again until one is answered', async (t) => {
  t.match(await ask(question('udp', await udp(t, true))), { answered: true, seen: '198.18.0.2' });
  const silent = await udp(t, false);
  t.strictSame(await ask(question('udp', silent, 50)), { answered: false, why: 'silent' });
});

t.test('a port that is not published is an answer, by UDP, too', async (t) => {
  const answer = { answered: false, why: 'ERR_SOCKET_BAD_PORT' };
  t.strictSame(await ask(question('udp', 0)), answer);
  t.strictSame(await ask({ ...question('packet', 0), bytes: 1_500 }), answer);
});

t.test('addresses of IPv4 are shown as such', async (t) => {
  t.equal(plainAddress(' ::ffff:192.0.2.1\n'), '192.0.2.1');
  t.equal(plainAddress('::ffff:0'), '::ffff:0');
});
