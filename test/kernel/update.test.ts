/** What another version of tsbridge finds on a host, and what it leaves: records of the first one, and of a newer one. */
import type { Daemon as DaemonType } from '../process/daemon.js';
import { inFreshNamespace, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { Daemon, hostState } = await import('../process/daemon.js');

// /run/xtables.lock and sandboxes of our own.
run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);

const NetworkID = '1'.repeat(64);
const EndpointID = '1123456789abcdef'.repeat(4);
const ids = { NetworkID, EndpointID };
const port = (Proto: number, Port: number, HostPort: number) => {
  return { Proto, IP: '', Port, HostIP: '', HostPort, HostPortEnd: HostPort };
};
const calls: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  [
    'CreateNetwork',
    {
      NetworkID,
      Options: { 'com.docker.network.generic': {} },
      IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.1.0.0/24', Gateway: '10.1.0.1/24' }],
      IPv6Data: [],
    },
  ],
  ['CreateEndpoint', { ...ids, Interface: { Address: '10.1.0.2/24' }, Options: {} }],
  ['Join', { ...ids, SandboxKey: '/run/docker/netns/c1' }],
  [
    'ProgramExternalConnectivity',
    {
      ...ids,
      Options: { 'com.docker.network.portmap': [port(6, 80, 18080), port(17, 53, 18053)] },
    },
  ],
];
/** To the byte what tsbridge 0.1.0 wrote after these calls. */
const first = {
  networks: `{"version":1,"id":"${NetworkID}","value":{"phase":"ready","sequence":1,"bridgeMade":true,"terms":{"generation":"docker29","userlandProxy":true,"loopbackSpared":true,"masquerade":true,"allowDirectRouting":false},"input":{"networkId":"${NetworkID}","options":{"com.docker.network.generic":{}},"ipv4Data":[{"addressSpace":"LocalDefault","pool":"10.1.0.0/24","gateway":"10.1.0.1/24"}],"ipv6Data":[]}}}\n`,
  endpoints: `{"version":1,"id":"${EndpointID}","value":{"phase":"ready","sequence":7,"input":{"networkId":"${NetworkID}","endpointId":"${EndpointID}","address":"10.1.0.2/24","addressIpv6":"","mac":"","options":{}},"nameAttempt":0,"sandboxKey":"/run/docker/netns/c1","bindings":[["udp","0.0.0.0",18053,"10.1.0.2",53],["udp","::",18053,"10.1.0.2",53],["tcp","0.0.0.0",18080,"10.1.0.2",80],["tcp","::",18080,"10.1.0.2",80]],"opened":[],"exposed":[]}}\n`,
};

async function must(daemon: DaemonType, method: string, body: unknown): Promise<void> {
  const { Err } = await daemon.call(method, body);
  if (Err !== undefined) throw new Error(`${method}: ${Err}`);
}

/** A network with a container that has published ports, and the daemon killed. */
async function leaveHost(t: { teardown(work: () => void): void }) {
  const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
  const daemon = await Daemon.start(folder);
  t.teardown(() => {
    for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  for (const [method, body] of calls) await must(daemon, method, body);
  const state = hostState(folder);
  await daemon.kill('SIGKILL');
  const pathOf = (kind: keyof typeof first) =>
    join(folder, 'state', kind, `${kind === 'networks' ? NetworkID : EndpointID}.json`);
  return { folder, state, pathOf };
}

async function endAll(daemon: DaemonType): Promise<void> {
  for (const method of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint']) {
    await must(daemon, method, ids);
  }
  await must(daemon, 'DeleteNetwork', { NetworkID });
}

t.test('the host of the first version goes on, and is taken down to nothing', async (t) => {
  const { folder, state, pathOf } = await leaveHost(t);
  for (const kind of ['networks', 'endpoints'] as const) writeFileSync(pathOf(kind), first[kind]);
  const daemon = await Daemon.start(folder);
  t.teardown(() => daemon.kill('SIGKILL'));
  t.notMatch(daemon.log, /"level":"(?:warn|error)"/);
  t.same(hostState(folder), state);
  t.equal(
    readFileSync(pathOf('networks'), 'utf8'),
    first.networks,
    'as the first version reads it',
  );
  await endAll(daemon);
  // The record goes when the bridge has gone, after the answer.
  while (hostState(folder).records.length > 0) await sleep(50);
  const { links, rules, sockets, records } = hostState(folder);
  t.same([links, rules, sockets, records], [['lo up - 127.0.0.1'], [], [''], []]);
});

t.test('what a newer version has left is refused, and nothing of it is lost', async (t) => {
  const { folder, state, pathOf } = await leaveHost(t);
  for (const kind of ['networks', 'endpoints'] as const) {
    const written = readFileSync(pathOf(kind), 'utf8');
    t.match(written, /^\{"version":2,/, 'the first version refuses these in words of its own');
    const newer = written.replace('{"version":2,', '{"version":3,');
    writeFileSync(pathOf(kind), newer);
    const daemon = Daemon.spawn(folder);
    await daemon.ended;
    t.equal(daemon.process.exitCode, 1);
    t.match(daemon.log, /written by a newer tsbridge .*knows up to 2\): start that tsbridge again/);
    t.same(hostState(folder), state, 'links, rules, published ports and records');
    t.equal(readFileSync(pathOf(kind), 'utf8'), newer);
    writeFileSync(pathOf(kind), written);
  }
  const daemon = await Daemon.start(folder);
  t.teardown(() => daemon.kill('SIGKILL'));
  t.same(hostState(folder), state, 'the newer one goes on');
  await endAll(daemon);
});
