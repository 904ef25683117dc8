/**
 * Floods of UDP clients through the proxy process. They may neither push out a client that is at work,
 * nor take the ports that the host needs for itself, nor the descriptors of other containers.
 */
import { writeFileSync } from 'node:fs';
import { inFreshNamespace } from '../process/netns.js';

inFreshNamespace();

import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const { default: t } = await import('tap');
const { ask, eventually, listener, ownerOf, ProxyProcess, serve } = await import(
  '../process/proxy-process.js'
);

/** Of the host: little, so that a flood that takes it all is a short one. Strangers have others. */
const ephemeral = { first: 40_000, last: 43_999 };
writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', `${ephemeral.first} ${ephemeral.last}`);

/** A container that answers with the port from which it was asked. */
async function container(port: number, address = '127.0.0.1'): Promise<dgram.Socket> {
  const server = dgram.createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 });
  server.on('message', (_, from) => server.send(`${from.port}`, from.port, from.address));
  server.bind(port, address);
  await once(server, 'listening');
  return server;
}

/** Each of them sends one datagram to each of the ports. */
async function flood(strangers: number, ports: readonly number[], firstPort = 10_000) {
  for (let start = 0; start < strangers; start += 50) {
    const sockets = await Promise.all(
      Array.from({ length: Math.min(50, strangers - start) }, async (_, index) => {
        const socket = dgram.createSocket('udp4');
        socket.bind(firstPort + start + index, '127.0.0.2');
        await once(socket, 'listening');
        return socket;
      }),
    );
    for (const port of ports) for (const socket of sockets) socket.send('flood', port, '127.0.0.1');
    // No faster than the proxy reads: what the kernel drops makes no flow.
    await sleep(8 * ports.length);
    for (const socket of sockets) socket.close();
  }
}

function proxyWith(...wrapper: string[]) {
  const proxy = new ProxyProcess({}, wrapper);
  const daemon = proxy.supervise();
  const dispose = (): void => {
    daemon.detach();
    proxy.dispose();
  };
  return { proxy, daemon, dispose };
}

t.test('4,400 strangers do not push out a client that sends every 20 ms', async (t) => {
  const { daemon, dispose } = proxyWith();
  t.teardown(dispose);
  const server = await container(53);
  t.same(
    await daemon.open(ownerOf('one'), [listener('127.0.0.1:5300', '127.0.0.1:53', 'udp')]),
    [],
  );
  const client = dgram.createSocket('udp4').bind(9_000, '127.0.0.3');
  await once(client, 'listening');
  const seen = new Set<string>();
  client.on('message', (message) => seen.add(String(message)));
  const timer = setInterval(() => client.send('at work', 5300, '127.0.0.1'), 20);
  await eventually(() => seen.size > 0);
  await flood(4_400, [5300]);
  const flows = (await daemon.stats())?.connections ?? 0;
  t.ok(flows > 100 && flows <= 1_000, `${flows} flows: a quarter of the ephemeral range at most`);
  clearInterval(timer);
  const last = once(client, 'message') as Promise<[Buffer]>;
  client.send('still', 5300, '127.0.0.1');
  await last;
  t.equal(seen.size, 1, 'by the one socket that it had before, all the time');
  client.close();
  server.close();
});

t.test('seven flooded ports leave the host its own connections', async (t) => {
  const { daemon, dispose } = proxyWith();
  t.teardown(dispose);
  const server = await container(53);
  const ports = Array.from({ length: 7 }, (_, index) => 5300 + index);
  for (const port of ports) {
    const one = listener(`127.0.0.1:${port}`, '127.0.0.1:53', 'udp');
    t.same(await daemon.open(ownerOf(`flooded ${port}`), [one]), []);
  }
  await flood(900, ports);
  const flows = (await daemon.stats())?.connections ?? 0;
  t.ok(flows > 500 && flows <= 1_000, `${flows} flows of all ports together`);
  const lookups = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const socket = dgram.createSocket('udp4');
      const bound = once(socket, 'listening').then(
        () => true,
        () => false,
      );
      socket.bind(0);
      const got = await bound;
      socket.close();
      return got;
    }),
  );
  t.same(new Set(lookups), new Set([true]), 'a port for each of 200 questions to a name server');
  const web = await serve((socket) => socket.pipe(socket));
  const [host = '', port = ''] = web.address.split(':');
  t.equal(await ask(host, Number(port), 'out'), 'out', 'and one for TCP');
  web.close();
  server.close();
});

t.test('5,000 descriptors: two flooded UDP ports leave a TCP port answering', async (t) => {
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', '32000 60999');
  const { proxy, daemon, dispose } = proxyWith('prlimit', '--nofile=5000:5000');
  t.teardown(dispose);
  const server = await container(53);
  const web = await serve((socket) => socket.pipe(socket));
  const flooded = [5300, 5301];
  for (const port of flooded) {
    const one = listener(`127.0.0.1:${port}`, '127.0.0.1:53', 'udp');
    t.same(await daemon.open(ownerOf(`flooded ${port}`), [one]), []);
  }
  t.same(await daemon.open(ownerOf('web'), [listener('127.0.0.1:8080', web.address)]), []);
  await flood(3_000, flooded);
  t.ok(proxy.descriptors < 2_500, `${proxy.descriptors} descriptors`);
  for (let round = 0; round < 20; round += 1) {
    t.equal(await ask('127.0.0.1', 8080, 'still'), 'still');
  }
  const late = listener('127.0.0.1:8081', web.address);
  t.same(await daemon.open(ownerOf('late'), [late]), [], 'and a new port can be published');
  web.close();
  server.close();
});

t.test('idle connections to one container leave others descriptors', async (t) => {
  const { daemon, dispose } = proxyWith('prlimit', '--nofile=500:500');
  t.teardown(dispose);
  const web = await serve((socket) => socket.pipe(socket));
  const open = (name: string, port: number) =>
    daemon.open(ownerOf(name), [listener(`127.0.0.1:${port}`, web.address)]);
  t.same([await open('flooded', 8080), await open('other', 8081)], [[], []]);
  const idle = Array.from({ length: 400 }, () => net.connect(8080, '127.0.0.1'));
  for (const socket of idle) socket.on('error', () => undefined);
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  const flooded = async (): Promise<number> => (await daemon.stats())?.connections ?? 0;
  let before = -1;
  // As many of them as it may have are carried; the others wait in the kernel's queue.
  await eventually(async () => {
    const now = await flooded();
    const same = now === before && now > 0;
    before = now;
    await sleep(150);
    return same;
  });
  t.equal(await ask('127.0.0.1', 8081, 'other'), 'other', 'the other container answers');
  for (const socket of idle) socket.destroy();
  await eventually(async () => (await flooded()) === 0);
  t.equal(await ask('127.0.0.1', 8080, 'again'), 'again', 'and so does the first one afterwards');
  web.close();
});
