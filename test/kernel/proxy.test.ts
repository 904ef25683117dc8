/** The proxy process on a host with several addresses, and with containers that do not answer. */
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();

import dgram from 'node:dgram';
import { once } from 'node:events';

const { default: t } = await import('tap');
const { ask, eventually, listener, ownerOf, ProxyProcess, serve } = await import(
  '../process/proxy-process.js'
);

for (const command of [
  'link add lan type veth peer name wire',
  'link set wire up',
  'link set lan up',
  'addr add 192.0.2.1/24 dev lan',
  'addr add 192.0.2.2/24 dev lan',
  'addr add fd00:1::1/64 dev lan nodad',
  'addr add fd00:1::2/64 dev lan nodad',
  'addr add fd00:1::9/64 dev lan nodad',
  // Packets to it leave and are never answered.
  'neigh add 192.0.2.66 lladdr 02:00:00:00:00:66 dev lan',
]) {
  run('ip', command.split(' '));
}
// Longer than a proxy process at its first connections takes on a slow machine.
const proxy = new ProxyProcess({ connectTimeoutMs: 3_000 });
const daemon = proxy.supervise();
t.teardown(() => {
  daemon.detach();
  proxy.dispose();
});
const owner = ownerOf('kernel');

t.test('answers to datagrams come from the address that was asked', async (t) => {
  const server = dgram.createSocket('udp4');
  server.on('message', (message, from) => server.send(message, from.port, from.address));
  server.bind(5300, '127.0.0.1');
  await once(server, 'listening');
  const wanted = ['0.0.0.0:53', '[::]:53'].map((host) => listener(host, '127.0.0.1:5300', 'udp'));
  t.same(await daemon.open(owner, wanted), []);
  const answerTo = async (client: dgram.Socket, host: string): Promise<string> => {
    const answer = once(client, 'message') as Promise<[Buffer, dgram.RemoteInfo]>;
    client.send('x', 53, host);
    const [, { address }] = await answer;
    return address;
  };
  const ipv4 = dgram.createSocket('udp4').bind(0, '192.0.2.1');
  await once(ipv4, 'listening');
  for (const host of ['192.0.2.1', '192.0.2.2', '192.0.2.1']) {
    t.equal(await answerTo(ipv4, host), host);
  }
  ipv4.setBroadcast(true);
  t.equal(
    await answerTo(ipv4, '192.0.2.255'),
    '192.0.2.1',
    'a broadcast: the first of its network',
  );
  const ipv6 = dgram.createSocket('udp6').bind(0, 'fd00:1::9');
  await once(ipv6, 'listening');
  for (const host of ['fd00:1::1', 'fd00:1::2', 'fd00:1::9', 'fd00:1::1']) {
    t.equal(await answerTo(ipv6, host), host);
  }
  const multicast = dgram.createSocket('udp6').bind(0, 'fd00:1::9');
  await once(multicast, 'listening');
  multicast.setMulticastInterface('::%lan');
  multicast.setMulticastLoopback(true);
  t.match(await answerTo(multicast, 'ff02::1%lan'), /^f[de]/, 'a multicast: one of its own');
  for (const socket of [server, ipv4, ipv6, multicast]) socket.close();
  await daemon.close(owner);
});

t.test('a container that is there and does not answer, and one that is not', async (t) => {
  const ports = [
    listener('127.0.0.1:81', '192.0.2.66:80'),
    listener('127.0.0.1:82', '203.0.113.1:80'),
  ];
  t.same(await daemon.open(owner, ports), []);
  await t.rejects(ask('127.0.0.1', 81, 'x'), { code: 'ECONNRESET' }, 'after some time');
  await t.rejects(ask('127.0.0.1', 82, 'x'), { code: 'ECONNRESET' }, 'no route to it');
  t.match(await daemon.stats(), { connections: 0 });
});

t.test('10,000 short connections, and nothing is left of them', async (t) => {
  const server = await serve((socket) => socket.pipe(socket));
  t.same(await daemon.open(owner, [listener('127.0.0.1:83', server.address)]), []);
  const before = proxy.descriptors;
  let left = 10_000;
  let right = 0;
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      if ((await ask('127.0.0.1', 83, 'short')) === 'short') right += 1;
    }
  };
  await Promise.all(Array.from({ length: 50 }, client));
  t.equal(right, 10_000);
  await eventually(async () => (await daemon.stats())?.connections === 0);
  // Spare pipes stay.
  t.ok(proxy.descriptors <= before + 16, 'descriptors');
  server.close();
});
