/** Ports that are published on all addresses of both families: one socket, and what clients see of it. */
import type { Test } from 'tap';
import { inFreshNamespace } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { readFileSync } = await import('node:fs');
const { default: events } = await import('node:events');
const { once } = events;
const { default: net } = await import('node:net');
const { ask, eventually, listener, ownerOf, ProxyProcess, silent } = await import(
  '../process/proxy-process.js'
);

const port = 8080;
const owner = ownerOf('a');

/** Tells who it is and keeps the connection until the client ends. */
async function container(t: Test, host: string, name: string): Promise<string> {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.write(name);
    socket.on('data', (data) => socket.write(data));
    socket.on('end', () => socket.end());
  });
  server.listen(0, host);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number };
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function proxyOf(t: Test) {
  const settings = { build: 'old' };
  const proxy = new ProxyProcess(settings);
  t.teardown(() => proxy.dispose());
  const supervise = (build = 'old') => {
    settings.build = build;
    const daemon = proxy.supervise(silent);
    t.teardown(() => daemon.detach());
    return daemon;
  };
  return { proxy, supervise };
}

/** `00000000:1F90` of /proc/net/tcp, and of tcp6: what listens on the port. */
function sockets(number = port): string[] {
  const hex = number.toString(16).toUpperCase().padStart(4, '0');
  return ['tcp', 'tcp6'].flatMap((file) => {
    const lines = readFileSync(`/proc/net/${file}`, 'utf8').split('\n');
    return lines.some((line) => new RegExp(`^ *\\d+: 0+:${hex} 0+:0000 0A`).test(line))
      ? [file]
      : [];
  });
}

const both = (ipv4: string, ipv6: string) => [
  listener(`0.0.0.0:${port}`, ipv4),
  listener(`[::]:${port}`, ipv6),
];

t.test('one socket serves both, each family its own container', async (t) => {
  const { supervise } = proxyOf(t);
  const daemon = supervise();
  const pair = both(await container(t, '127.0.0.1', 'four'), await container(t, '::1', 'six'));
  t.same(await daemon.open(owner, pair), []);
  t.same(sockets(), ['tcp6']);
  t.equal(await ask('127.0.0.1', port, '!'), 'four!');
  t.equal(await ask('::1', port, '!'), 'six!');
  t.equal((await daemon.stats())?.listeners, 2);
  t.same(await daemon.differences(), []);
  await daemon.close(owner, pair);
  t.same(sockets(), []);
  await t.rejects(ask('127.0.0.1', port, '!'), { code: 'ECONNREFUSED' });
});

t.test('of others it is refused as two are, and says which family is taken', async (t) => {
  const { supervise } = proxyOf(t);
  const daemon = supervise();
  const target = await container(t, '127.0.0.1', 'four');
  for (const [host, held] of [
    ['0.0.0.0', 0],
    ['127.0.0.1', 0],
    ['::', 1],
    ['::1', 1],
  ] as const) {
    const stranger = net.createServer().listen({ host, port, ipv6Only: true });
    await once(stranger, 'listening');
    const pair = both(target, target);
    const failed = await daemon.open(owner, pair);
    t.match(failed, [{ code: 'EADDRINUSE', syscall: 'bind', listener: pair[held] }], host);
    t.equal(failed.length, 1);
    await daemon.close(owner, pair);
    stranger.close();
    await once(stranger, 'close');
    t.same(await daemon.open(owner, pair), []);
    for (const ipv6Only of [true, false]) {
      const late = net.createServer().listen({ host, port, ipv6Only });
      const [error] = await once(late, 'error');
      t.match(error, { code: 'EADDRINUSE' });
    }
    await daemon.close(owner, pair);
  }
});

t.test('half of a pair is given back, and the other half goes on', async (t) => {
  const { supervise } = proxyOf(t);
  const daemon = supervise();
  const pair = both(await container(t, '127.0.0.1', 'four'), await container(t, '::1', 'six'));
  const ipv6 = pair[1];
  if (ipv6 === undefined) throw new Error('there are two');
  t.same(await daemon.open(owner, pair), []);
  const open = net.connect({ host: '127.0.0.1', port });
  t.equal(`${(await once(open, 'data'))[0]}`, 'four');
  const ended = net.connect({ host: '::1', port });
  await once(ended, 'data');
  const closed = once(ended, 'close').catch((error: unknown) => error);
  await daemon.close(owner, [ipv6]);
  t.same(sockets(), ['tcp']);
  await closed;
  open.write('still');
  t.equal(`${(await once(open, 'data'))[0]}`, 'still', 'with its connections');
  t.equal(await ask('127.0.0.1', port, '!'), 'four!');
  await t.rejects(ask('::1', port, '!'), { code: 'ECONNREFUSED' });
  t.same(await daemon.open(owner, [ipv6]), [], 'and it can come back');
  t.equal(await ask('::1', port, '!'), 'six!');
  t.same(sockets(), ['tcp', 'tcp6']);
  open.end();
  await daemon.close(owner);
  t.same(sockets(), []);
});

t.test('a process of another build takes over one socket, or two', async (t) => {
  const { proxy, supervise } = proxyOf(t);
  const first = supervise('old');
  const pair = both(await container(t, '127.0.0.1', 'four'), await container(t, '::1', 'six'));
  const reserved = [
    listener('0.0.0.0:8081', '127.0.0.1:1', 'tcp', 'reserve'),
    listener('[::]:8081', '127.0.0.1:1', 'tcp', 'reserve'),
  ];
  // As a process of before 2026-11-26 holds them: a socket for each.
  const two = both('127.0.0.1:9', '[::1]:9').map(({ binding }, index) =>
    listener(index === 0 ? '0.0.0.0:8082' : '[::]:8082', `127.0.0.1:${binding.containerPort}`),
  );
  for (const one of two) t.same(await first.open(owner, [one]), []);
  t.same(await first.open(owner, [...pair, ...reserved]), []);
  t.same([sockets(), sockets(8081), sockets(8082)], [['tcp6'], ['tcp6'], ['tcp', 'tcp6']]);
  first.detach();

  const daemon = supervise('new');
  const wanted = new Map([[owner, [...two, ...pair, ...reserved]]]);
  t.same(await daemon.sync(wanted), []);
  t.match(await daemon.stats(), { build: 'new', listeners: 6 });
  const [old] = proxy.processes;
  await eventually(() => old?.exitCode === 0);
  t.same([sockets(), sockets(8081), sockets(8082)], [['tcp6'], ['tcp6'], ['tcp', 'tcp6']]);
  t.equal(await ask('127.0.0.1', port, '!'), 'four!');
  t.equal(await ask('::1', port, '!'), 'six!');
  t.same(await daemon.differences(), []);
  const [half] = reserved;
  if (half === undefined) throw new Error('there are two');
  await daemon.close(owner, [half]);
  t.same(sockets(8081), ['tcp6'], 'for IPv6 alone');
  await once(net.createServer().listen({ host: '0.0.0.0', port: 8081 }).unref(), 'listening');
  await daemon.close(owner);
  t.same([sockets(), sockets(8082)], [[], []], 'nobody has a duplicate');
});
