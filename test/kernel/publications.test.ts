/**
 * What an operator publishes, on the real kernel: the daemon dies at every effect of `publish` and of `unpublish`, and
 * the operator asks again; the kernel's own listings say what is there.
 */
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, run } from '../process/netns.js';
import { slowness } from '../process/slowness.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { mkdtempSync, readdirSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { isDeepStrictEqual } = await import('node:util');
const { DockerApi } = await import('../fakes/docker-api.js');
const { ApiError, UnixHttp } = await import('../lab/http.js');
const { Daemon, hostState } = await import('../process/daemon.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);

const NetworkID = '5'.repeat(64);
const EndpointID = '0123456789abcdef'.repeat(4);
const ids = { NetworkID, EndpointID };
const network = {
  NetworkID,
  Options: { 'com.docker.network.generic': {} },
  IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' }],
  IPv6Data: [],
};
const web = {
  ...{ Id: 'a'.repeat(64), Names: ['/web'], State: 'running', Labels: {} },
  NetworkSettings: { Networks: { app: ids } },
};
const published = { container: 'web', ports: ['18080:80', '18053:53/udp'], kept: 'container' };

const api = await DockerApi.start();
api
  .json('/containers/json', [web])
  .json('/networks', [{ Id: NetworkID, Name: 'app', Scope: 'local' }]);
api.on('/events', (response) => response.writeHead(200, { 'api-version': '1.41' }).flushHeaders());
t.teardown(() => api.close());

const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
let daemon = undefined as unknown as DaemonType;

async function start(crashAt?: number): Promise<void> {
  const args = ['--docker-socket', api.path];
  daemon = await Daemon.start(folder, crashAt === undefined ? { args } : { args, crashAt });
}

async function ask(path: string, body: unknown): Promise<string> {
  const http = new UnixHttp(join(folder, 'run', 'admin.sock'));
  const end = await http.call('POST', path, body).then(
    () => 'done',
    async (error: Error) => {
      if (error instanceof ApiError) return error.message;
      // Only a daemon that dies answers nothing.
      await daemon.ended;
      return 'dead';
    },
  );
  http.close();
  return end;
}

const publish = () => ask('/v1/publish', { ...published, ifFree: false });
const unpublish = () => ask('/v1/unpublish', { container: 'web' });

const state = () => {
  const { sockets, rules } = hostState(folder);
  // Ports of one container are in the order in which they were opened.
  return {
    sockets,
    rules: rules.sort(),
    kept: readdirSync(join(folder, 'state', 'publications')).length,
  };
};

async function settled(wanted: ReturnType<typeof state>) {
  for (let left = 60; left > 0 && !isDeepStrictEqual(state(), wanted); left -= 1) await sleep(50);
  return state();
}

await start();
t.teardown(async () => {
  await daemon.kill();
  for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
await daemon.call('CreateNetwork', network);
await daemon.call('CreateEndpoint', { ...ids, Interface: { Address: '10.5.0.2/24' }, Options: {} });
await daemon.call('Join', { ...ids, SandboxKey: '/var/run/docker/netns/x' });
const bare = state();

t.test('published and unpublished', async (t) => {
  t.equal(await publish(), 'done');
  const { sockets, rules, kept } = state();
  t.equal(kept, 2);
  t.match(
    rules.join('\n'),
    /-A DOCKER ! -i br-5{12} -p tcp -m tcp --dport 18080 -j DNAT --to-destination 10\.5\.0\.2:80/,
  );
  t.match(
    rules.join('\n'),
    /-A DOCKER ! -i br-5{12} -p udp -m udp --dport 18053 -j DNAT --to-destination 10\.5\.0\.2:53/,
  );
  t.match(sockets.join('\n'), /:18080\b/);
  run('iptables', ['-t', 'nat', '-F', 'DOCKER']);
  t.same(await settled({ sockets, rules, kept }), { sockets, rules, kept }, 'repaired as any port');
  t.match(await publish(), 'done', 'once more');
  t.match(
    await ask('/v1/publish', { ...published, ports: ['18081:80', '18080:81'], ifFree: false }),
    /port 18080 is published by .*tsbridge publish.* for container web/,
  );
  t.same(state(), { sockets, rules, kept });
  t.match(
    await ask('/v1/publish', { ...published, ports: ['x'], ifFree: false }),
    /x is not \[IP:\]/,
  );
  t.equal(await unpublish(), 'done');
  t.same(state(), bare);
});

/** The daemon dies at every second effect; at every seventh on an emulated machine, where a death takes half a minute. */
const stride = slowness === 1 ? 2 : 7;
for (const [name, step, undo] of [
  ['publish', publish, unpublish],
  ['unpublish', unpublish, publish],
] as const) {
  t.test(`${name}: the daemon dies at each effect`, { timeout: 600_000 * slowness }, async (t) => {
    await undo();
    const before = state();
    await step();
    const wanted = state();
    await undo();
    let deaths = 0;
    for (let at = 1; ; at += stride) {
      await daemon.kill();
      await start(at);
      t.same(await settled(before), before, `${at}: before it`);
      daemon.process.kill('SIGUSR2');
      while (!daemon.log.includes('armed\n')) await sleep(10);
      const end = await step();
      if (end === 'dead') deaths += 1;
      else await daemon.kill();
      await start();
      t.equal(await step(), 'done', `${at}: once more`);
      t.same(await settled(wanted), wanted, `${at}: is done`);
      await undo();
      t.same(await settled(before), before, `${at}: and undone`);
      if (end !== 'dead') break;
    }
    t.ok(deaths > (stride === 2 ? 3 : 0), `${deaths} deaths`);
  });
}

t.test('kill -9, and the engine is silent: all stays', async (t) => {
  await publish();
  const before = state();
  await daemon.kill('SIGKILL');
  t.same(state(), before);
  api.on('/containers/json', () => undefined);
  await start();
  t.same(await settled(before), before);
  await sleep(1_000);
  t.same(state(), before);
  t.equal(await unpublish(), 'done', 'needs no engine');
  t.same(await settled(bare), bare);
});
