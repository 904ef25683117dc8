/** The real daemon among a thousand idle connections, half requests and heaps of data. */
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { Daemon, hostState, openConnections } = await import('../process/daemon.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
/** KiB; what nothing that comes in may make of it. */
const limit = 200 * 1024;
const id = '0123456789abcdef'.repeat(4);

t.test('memory is bounded, and everybody is served', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const daemon = await Daemon.start(folder);
  t.teardown(async () => {
    await daemon.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  t.comment(`at rest: ${JSON.stringify(daemon.memory())} KiB`);
  const before = hostState(folder);
  const ids = { NetworkID: id, EndpointID: id };
  const idle = await openConnections(daemon.socket, 1_000);
  t.same(await daemon.call('Leave', ids), {}, 'beside idle connections');

  const half = await openConnections(daemon.socket, 200);
  const head = 'POST /NetworkDriver.Leave HTTP/1.1\r\nHost: \r\nContent-Length: 16000\r\n\r\n{"';
  for (const socket of half) socket.write(head + 'x'.repeat(15_000));
  t.same(await daemon.call('Leave', ids), {}, 'beside half requests');

  const options = (text: string) =>
    daemon.call('ProgramExternalConnectivity', { ...ids, Options: text });
  const heaps = await Promise.all(
    Array.from({ length: 16 }, () =>
      options('x'.repeat(64 * 1024 * 1024)).catch((error) => ({ Err: String(error) })),
    ),
  );
  t.ok(
    heaps.every(({ Err }) => typeof Err === 'string'),
    '64 MB each',
  );
  const port = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 1000, HostPortEnd: 1000 };
  const ports = Array.from({ length: 60_000 }, (_, index) => ({ ...port, Port: index + 1 }));
  const Options = {
    'com.docker.network.portmap': ports,
    'com.docker.network.endpoint.exposedports': ports.map(({ Proto, Port }) => ({ Proto, Port })),
  };
  const many = await Promise.all(
    Array.from({ length: 8 }, () =>
      daemon.call('ProgramExternalConnectivity', { ...ids, Options }),
    ),
  );
  t.match(many, Array(8).fill({ Err: /No endpoint/ }), '60,000 ports are understood');
  for (const shape of ['[{},', '{"a":', '[0,', '"\\u0000', '[[],']) {
    const body = { ...ids, Options: 1 };
    const text = JSON.stringify(body).replace('1}', shape.repeat(1_500_000));
    t.type((await daemon.raw('CreateEndpoint', text)).Err, 'string', shape);
  }
  // As many values as are accepted, in few bytes each.
  for (const item of ['{}', '[]', '0.5', '{"a":0}', '"\\u1234"']) {
    const body = { ...ids, Options: { x: 1 } };
    const list = `[${Array(340_000).fill(item).join()}]`;
    const text = JSON.stringify(body).replace('1}', `${list}}`);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => daemon.raw('CreateEndpoint', text)),
    );
    t.match(answers, Array(12).fill({ Err: /^network .* is not known/ }), item);
  }
  t.comment(`flooded: ${JSON.stringify(daemon.memory())} KiB`);
  t.ok(daemon.memory().peak < limit, `${daemon.memory().peak} KiB at most`);
  t.same(hostState(folder), before, 'nothing has changed');
  for (const socket of [...idle, ...half]) socket.destroy();
  t.same(await daemon.call('Leave', ids), {}, 'afterwards');
});
