/** UDP through the proxy process. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import t from 'tap';
import { eventually, freePort, listener, ownerOf, ProxyProcess } from '../process/proxy-process.js';

const proxy = new ProxyProcess({ udpIdleMs: 400 });
const daemon = proxy.supervise();
t.teardown(() => {
  daemon.detach();
  proxy.dispose();
});
/** One that forgets no client while a test waits: on a machine that pauses, 400 ms can pass between two datagrams. */
const patientProxy = new ProxyProcess({ udpIdleMs: 60_000 });
const patient = patientProxy.supervise();
t.teardown(() => {
  patient.detach();
  patientProxy.dispose();
});
const owner = ownerOf('datagrams');

/** A test that fails half-way must not keep the process alive. */
const sockets: dgram.Socket[] = [];
t.teardown(() => {
  for (const socket of sockets) if (!isClosed(socket)) socket.close();
});

function isClosed(socket: dgram.Socket): boolean {
  try {
    socket.address();
    return false;
  } catch {
    return true;
  }
}

function udpSocket(): dgram.Socket {
  const socket = dgram.createSocket('udp4');
  sockets.push(socket);
  return socket;
}

/** A container that answers with `PORT:MESSAGE`, the client's port as it sees it. */
async function echo(port = 0): Promise<{ address: string; close: () => void }> {
  const server = udpSocket();
  server.on('message', (message, from) => {
    const answer = Buffer.concat([Buffer.from(`${from.port}:`), message]);
    server.send(answer.subarray(0, 65_507), from.port, from.address);
  });
  server.bind(port, '127.0.0.1');
  await once(server, 'listening');
  return { address: `127.0.0.1:${server.address().port}`, close: () => server.close() };
}
/** A published port that leads there. */
const open = async (host: string, address: string, by = daemon): Promise<number> => {
  const port = await freePort();
  t.same(await by.open(owner, [listener(`${host}:${port}`, address, 'udp')]), []);
  return port;
};
const client = async (): Promise<dgram.Socket> => {
  const socket = udpSocket();
  socket.bind(0);
  await once(socket, 'listening');
  return socket;
};
/** The answer, and who it is from. */
async function ask(socket: dgram.Socket, message: Buffer | string, port: number, host: string) {
  const answer = once(socket, 'message') as Promise<[Buffer, dgram.RemoteInfo]>;
  socket.send(message, port, host);
  const [text, from] = await answer;
  return { text: String(text).replace(/^\d+:/, ''), inside: parseInt(String(text), 10), from };
}

t.test('answers come from the address that was asked', async (t) => {
  const server = await echo();
  const published = await open('0.0.0.0', server.address);
  const socket = await client();
  for (const host of ['127.0.0.1', '127.0.0.2', '127.1.2.3', '127.0.0.2']) {
    const { text, from } = await ask(socket, host, published, host);
    t.same([text, from.address, from.port], [host, host, published]);
  }
  t.match(await daemon.stats(), { connections: 1 }, 'one client');
  socket.close();
  server.close();
});

t.test('of any size, in order, and each to its own', async (t) => {
  const server = await echo();
  const published = await open('127.0.0.1', server.address, patient);
  const socket = await client();
  t.equal((await ask(socket, '', published, '127.0.0.1')).text, '', 'empty');
  const large = 'x'.repeat(65_000);
  t.equal((await ask(socket, large, published, '127.0.0.1')).text, large, '65,000 bytes');
  socket.close();
  const clients = await Promise.all(Array.from({ length: 8 }, client));
  await Promise.all(
    clients.map(async (one, index) => {
      const got: string[] = [];
      one.on('message', (message) => got.push(String(message).replace(/^\d+:/, '')));
      const wanted = Array.from({ length: 12 }, (_, n) => `${index} ${n}`);
      for (const message of wanted) one.send(message, published, '127.0.0.1');
      await eventually(() => got.length === wanted.length);
      t.same(got, wanted);
      one.close();
    }),
  );
  server.close();
});

t.test('a client that is silent is forgotten, and may come again', async (t) => {
  const server = await echo();
  const published = await open('127.0.0.1', server.address);
  const socket = await client();
  const first = await ask(socket, 'a', published, '127.0.0.1');
  await eventually(async () => (await daemon.stats())?.connections === 0);
  const second = await ask(socket, 'b', published, '127.0.0.1');
  t.not(second.inside, first.inside, 'with another socket to the container');
  socket.close();
  server.close();
});

t.test('a container that listens late gets the next datagram', async (t) => {
  const placeholder = await echo();
  const port = Number(placeholder.address.split(':')[1]);
  placeholder.close();
  await eventually(async () => (await daemon.stats())?.connections === 0);
  const published = await open('127.0.0.1', `127.0.0.1:${port}`);
  const socket = await client();
  for (const message of ['lost', 'lost too']) socket.send(message, published, '127.0.0.1');
  await eventually(async () => (await daemon.stats())?.connections === 1);
  const server = await echo(port);
  // The kernel still owes the answer to what was lost: the first one may pay for it.
  t.equal((await ask(socket, 'heard', published, '127.0.0.1')).text, 'heard');
  socket.close();
  server.close();
});

t.test('a pause ends the flows of its owner, and what comes meanwhile is dropped', async (t) => {
  await eventually(async () => (await daemon.stats())?.connections === 0);
  const server = await echo();
  const published = await open('127.0.0.1', server.address);
  const socket = await client();
  const before = await ask(socket, 'before', published, '127.0.0.1');
  const got: string[] = [];
  socket.on('message', (message) => got.push(String(message).replace(/^\d+:/, '')));
  await daemon.pauseUdp([owner]);
  t.match(await daemon.stats(), { connections: 0 });
  for (let count = 0; count < 200; count += 1) socket.send('dropped', published, '127.0.0.1');
  await daemon.pauseUdp([ownerOf('nobody')]);
  await daemon.resumeUdp([owner]);
  const after = await ask(socket, 'after', published, '127.0.0.1');
  t.not(after.inside, before.inside, 'another socket to the container');
  t.same(got, ['after']);
  socket.close();
  server.close();
});

t.test('a port that a program holds is shared if both want that, and only then', async (t) => {
  const server = await echo();
  const hold = async (reuseAddr: boolean): Promise<{ port: number; program: dgram.Socket }> => {
    const program = dgram.createSocket({ type: 'udp4', reuseAddr });
    program.bind(0, '127.0.0.1');
    await once(program, 'listening');
    return { port: program.address().port, program };
  };
  const publish = async (port: number, sharing?: 'if-held' | 'any-address') => {
    const wanted = { ...listener(`127.0.0.1:${port}`, server.address, 'udp'), sharing };
    const codes = (await daemon.open(owner, [wanted])).map(({ code }) => code);
    await daemon.close(owner, [wanted]);
    return codes;
  };
  const shared = await hold(true);
  t.same(await publish(shared.port), ['EADDRINUSE'], 'not wanted');
  t.same(await publish(shared.port, 'if-held'), []);
  t.same(await publish(shared.port, 'any-address'), []);
  const own = await hold(false);
  t.same(await publish(own.port, 'if-held'), ['EADDRINUSE'], 'the program does not want it');
  const free = await freePort();
  const alone = {
    ...listener(`127.0.0.1:${free}`, server.address, 'udp'),
    sharing: 'if-held' as const,
  };
  t.same(await daemon.open(owner, [alone]), []);
  const late = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  const refused = once(late, 'error');
  late.bind(free, '127.0.0.1');
  t.match(await refused, [{ code: 'EADDRINUSE' }], 'who comes later does not get it');
  t.same(await daemon.differences(), [], 'how it is shared is no difference');
  await daemon.close(owner);
  for (const socket of [shared.program, own.program]) socket.close();
  server.close();
});

t.test('made-up clients do not take all descriptors', async (t) => {
  const server = await echo();
  const published = await open('127.0.0.1', server.address);
  const flood = await Promise.all(Array.from({ length: 64 }, client));
  const socket = await client();
  for (let round = 0; round < 70; round += 1) {
    for (const one of flood) one.send('flood', published, `127.0.0.1`);
    await ask(socket, 'between', published, '127.0.0.1');
  }
  t.ok(proxy.descriptors < 200, 'one for each client');
  for (const one of [...flood, socket]) one.close();
  await daemon.close(owner);
  t.match(await daemon.stats(), { connections: 0, listeners: 0 });
  server.close();
});
