/** `tsbridge diff` while the daemon does not run: the host against its records, and nothing is changed. */
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { mkdtempSync, readFileSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { dispatch } = await import('../../src/cli/dispatch.js');
const { Daemon } = await import('../process/daemon.js');
const { documentOf } = await import('../process/documents.js');

// /run/xtables.lock and sandboxes of our own.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);

const NetworkID = '1'.repeat(64);
const EndpointID = '1123456789abcdef'.repeat(4);
const bridge = `br-${NetworkID.slice(0, 12)}`;
const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

async function diff(...args: readonly string[]) {
  const said = { out: '', err: '' };
  const folders = ['--state-dir', join(folder, 'state'), '--runtime-dir', join(folder, 'run')];
  const code = await dispatch(['diff', ...args, ...folders], {
    environment: {},
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  });
  return { code, ...said };
}

/** Everything that a repair could change. */
const hostNow = () =>
  [
    run('iptables-save', []).replace(/^#.*\n|\[\d+:\d+\]/gm, ''),
    run('ip', ['-o', 'address']),
    run('ip', ['route']),
    readFileSync(forwarding, 'utf8'),
    run('nft', ['list', 'table', 'ip', 'tsbridge']).replace(/packets \d+ bytes \d+/g, ''),
  ].join('\n');
const forwarding = '/proc/sys/net/ipv4/ip_forward';

t.test('by the records: nothing, then each thing that somebody has changed', async (t) => {
  const daemon = await Daemon.start(folder);
  t.teardown(async () => {
    await daemon.kill('SIGKILL');
    for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
  });
  const must = async (method: string, body: unknown): Promise<void> => {
    const { Err } = await daemon.call(method, body);
    if (Err !== undefined) throw new Error(`${method}: ${Err}`);
  };
  const ids = { NetworkID, EndpointID };
  await must('CreateNetwork', {
    NetworkID,
    Options: { 'com.docker.network.generic': {} },
    IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.1.0.0/24', Gateway: '10.1.0.1/24' }],
    IPv6Data: [],
  });
  await must('CreateEndpoint', { ...ids, Interface: { Address: '10.1.0.2/24' }, Options: {} });
  await must('Join', { ...ids, SandboxKey: '/run/docker/netns/c1' });
  const port = { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: 18_080, HostPortEnd: 18_080 };
  const Options = { 'com.docker.network.portmap': [port] };
  await must('ProgramExternalConnectivity', { ...ids, Options });
  const mapped = { NetworkID: '2'.repeat(64), EndpointID: '2123456789abcdef'.repeat(4) };
  await must('CreateNetwork', {
    NetworkID: mapped.NetworkID,
    Options: { 'com.docker.network.generic': { 'tsbridge.port_rules': 'map' } },
    IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.2.0.0/24', Gateway: '10.2.0.1/24' }],
    IPv6Data: [],
  });
  await must('CreateEndpoint', { ...mapped, Interface: { Address: '10.2.0.2/24' }, Options: {} });
  await must('Join', { ...mapped, SandboxKey: '/run/docker/netns/c2' });
  const beside = { ...port, HostPort: 18_081, HostPortEnd: 18_081 };
  const mappedPorts = { 'com.docker.network.portmap': [beside] };
  await must('ProgramExternalConnectivity', { ...mapped, Options: mappedPorts });
  t.match(await diff(), { code: 0, out: 'Nothing differs.\n', err: '' }, 'by the daemon');
  await daemon.kill('SIGTERM');

  const sound = await diff();
  t.match(sound, { code: 0, out: 'Nothing differs.\n' });
  t.match(sound.err, /compared with its records, without sockets and zones.*does not run/);

  run('iptables', ['-t', 'nat', '-F', 'DOCKER']);
  run('nft', ['flush', 'map', 'ip', 'tsbridge', 'ports']);
  // A route with the daemon's number that no network asks for.
  run('ip', ['route', 'add', '10.99.0.0/24', 'via', '10.2.0.2', 'proto', '201']);
  run('ip', ['address', 'del', '10.1.0.1/24', 'dev', bridge]);
  run('sysctl', ['-qw', 'net.ipv4.ip_forward=0']);
  const before = hostNow();
  const { code, out } = await diff('--json');
  t.equal(code, 3);
  const { source, items } = documentOf(out);
  t.equal(source, 'records');
  const concerns = items.map((item) => {
    const { concern, table, chain } = item as Record<string, unknown>;
    return [concern, table, chain].filter((part) => part !== null).join(' ');
  });
  t.strictSame(concerns, ['rules nat DOCKER', 'port-map', 'links', 'routes', 'settings']);
  t.match(JSON.stringify(items), /--dport 18080.*10\.1\.0\.2:80.*10\.1\.0\.1\/24.*ip_forward/);
  const lost = 'ports 0.0.0.0 . tcp . 18081 : 10.2.0.2 . 80';
  t.match(items[1], { lines: [`+add to table ip tsbridge: ${lost}`] });
  t.equal(hostNow(), before, 'nothing was changed');

  const again = await Daemon.start(folder);
  t.match(await diff(), { code: 0 }, 'the next start has made it right');
  await again.kill('SIGTERM');
  for (const pid of again.proxyPids()) process.kill(pid, 'SIGKILL');
});
