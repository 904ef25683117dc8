/**
 * Two endpoints of one container, one the gateway for IPv4, the other for IPv6 (29). The calls are
 * those that its engine makes, in its order: former gateways are told first, and an endpoint whose
 * part has not changed is told nothing.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { recover } from '../../src/driver/recover.js';
import type { World } from '../../src/driver/world.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { type FakeHost, type Interpose, makeHost, stateOf } from '../fakes/fake-host.js';
import { Killer } from '../process/killer.js';

const id = (seed: string) => createHash('sha256').update(seed).digest('hex');
type Name = 'n4' | 'n6' | 'n46' | 'other';
const subnets: Readonly<Record<Name, { ipv4?: string; ipv6?: string }>> = {
  n4: { ipv4: '10.4.0' },
  n6: { ipv6: 'fd00:6:' },
  n46: { ipv4: '10.46.0', ipv6: 'fd00:46:' },
  other: { ipv4: '10.9.0', ipv6: 'fd00:9:' },
};
const ids = (name: Name) =>
  ({ networkId: id(name), endpointId: id(`endpoint ${name}`) }) as Parameters<
    CalledDriver['join']
  >[0];

const portMap = (hostPort: number) => ({
  'com.docker.network.portmap': [
    { Proto: 6, IP: '', Port: 80, HostIP: '', HostPort: hostPort, HostPortEnd: hostPort },
    { Proto: 17, IP: '', Port: 53, HostIP: '', HostPort: hostPort, HostPortEnd: hostPort },
  ],
});
const otherGateway6 = { 'com.docker.network.driver.private.no_proxy_6to4': true };

class Container {
  driver!: CalledDriver;
  world!: World;
  constructor(readonly host: FakeHost) {}

  async start(interpose?: Interpose): Promise<this> {
    const { world } = this.host.boot({}, 'docker28', interpose);
    this.world = world;
    this.driver = new CalledDriver(world, Promise.resolve());
    await recover(world);
    return this;
  }

  async connect(name: Name, sandbox = '/ns', options = {}): Promise<void> {
    const { ipv4, ipv6 } = subnets[name];
    await this.driver.createNetwork({
      networkId: id(name),
      options: {
        'com.docker.network.enable_ipv4': ipv4 !== undefined,
        'com.docker.network.enable_ipv6': ipv6 !== undefined,
      },
      ipv4Data: ipv4 === undefined ? [] : [{ pool: `${ipv4}.0/24`, gateway: `${ipv4}.1/24` }],
      ipv6Data: ipv6 === undefined ? [] : [{ pool: `${ipv6}:/64`, gateway: `${ipv6}:1/64` }],
    });
    await this.driver.createEndpoint({
      ...ids(name),
      address: ipv4 === undefined ? '' : `${ipv4}.2/24`,
      addressIpv6: ipv6 === undefined ? '' : `${ipv6}:2/64`,
      mac: '',
      options,
    });
    await this.driver.join(ids(name), sandbox);
  }

  /** @param gateway6 another endpoint is the IPv6 gateway */
  program(name: Name, gateway6 = false, hostPort = 8080): Promise<void> {
    const extra = gateway6 ? otherGateway6 : {};
    return this.driver.publishPorts(ids(name), { ...portMap(hostPort), ...extra });
  }

  /** Who has which host port: `0.0.0.0:8080/tcp n4`. */
  get holders(): string[] {
    const names = Object.keys(subnets) as Name[];
    return [...this.host.hostPorts.held]
      .filter(([key]) => key.endsWith('/tcp'))
      .map(([key, owner]) => `${key} ${names.find((name) => ids(name).endpointId === owner)}`)
      .sort();
  }

  /** Where DNAT leads, of this family. */
  get translations(): string[] {
    return this.host.firewall
      .rules('nat', 'DOCKER')
      .flatMap((rule) => /--to-destination (\S+)/.exec(rule)?.[1] ?? [])
      .sort();
  }
}

const container = () => new Container(makeHost()).start();
const both = (v4: Name, v6: Name) => [`0.0.0.0:8080/tcp ${v4}`, `[::]:8080/tcp ${v6}`];

t.test('an IPv6-only network is connected to a container with IPv4', async (t) => {
  const c = await container();
  await c.connect('n4');
  await c.program('n4');
  t.same(c.holders, both('n4', 'n4'), 'IPv6 by the proxy');
  const before = stateOf(c.host);
  await c.connect('n6');
  await c.program('n6');
  t.same(c.holders, both('n4', 'n6'), 'n4, which is told nothing, yields IPv6');
  await c.driver.revokePorts(ids('n6'));
  await c.driver.leave(ids('n6'));
  await c.driver.deleteEndpoint(ids('n6'));
  t.same(c.holders, both('n4', 'n4'), 'and has it again when n6 goes');
  await c.driver.deleteNetwork(ids('n6').networkId);
  t.strictSame(stateOf(c.host), before);
});

t.test('both networks at the creation, in either order', async (t) => {
  const c = await container();
  await c.connect('n6');
  await c.program('n6');
  await c.connect('n4');
  await c.program('n4', true);
  t.same(c.holders, both('n4', 'n6'));
});

t.test('IPv4 stays with the network of the higher priority', async (t) => {
  const c = await container();
  await c.connect('n4');
  await c.program('n4');
  await c.connect('n46');
  await c.program('n46');
  t.same(c.holders, both('n4', 'n46'));
  t.same(c.translations, ['10.4.0.2:53', '10.4.0.2:80'], 'IPv4 leads to n4');
  // n4 leaves: n46 becomes the gateway of both, and is told.
  await c.driver.revokePorts(ids('n4'));
  await c.program('n46');
  t.same(c.holders, both('n46', 'n46'));
});

t.test('a network of a higher priority takes IPv4 over', async (t) => {
  const c = await container();
  await c.connect('n46');
  await c.program('n46');
  const before = stateOf(c.host);
  await c.connect('n4');
  // The former gateway first: it is that of IPv6 still.
  await c.program('n46');
  await c.program('n4', true);
  t.same(c.holders, both('n4', 'n46'));
  t.same(c.translations, ['10.4.0.2:53', '10.4.0.2:80']);
  await c.driver.revokePorts(ids('n4'));
  await c.program('n46');
  await c.driver.deleteEndpoint(ids('n4'));
  await c.driver.deleteNetwork(ids('n4').networkId);
  t.strictSame(stateOf(c.host), before);
});

t.test('what was yielded is yielded still after a restart, and given back then', async (t) => {
  const c = await container();
  await c.connect('n4');
  await c.program('n4');
  await c.connect('n6');
  await c.program('n6');
  const shared = stateOf(c.host);
  await c.start();
  t.strictSame(stateOf(c.host), shared);
  await c.driver.revokePorts(ids('n6'));
  t.same(c.holders, both('n4', 'n4'));
});

t.test(
  'a daemon that dies between taking over and publishing gives back at its start',
  async (t) => {
    const c = await container();
    await c.connect('n4');
    await c.program('n4');
    await c.connect('n6');
    const before = stateOf(c.host);
    c.host.faults.plan('hostPorts.open', 'killed');
    const died = c.program('n6');
    await t.rejects(died, /killed/);
    t.strictSame(stateOf(c.host), before, 'a failure gives back at once');
    const record = c.host.store.records.get(`endpoint ${ids('n4').endpointId}`);
    if (record === undefined) throw new Error('no record');
    const value = JSON.parse(record.text);
    const six = value.bindings.filter(([, hostIp]: string[]) => hostIp === '::');
    t.equal(six.length, 2);
    value.bindings = value.bindings.filter(([, hostIp]: string[]) => hostIp !== '::');
    value.yielded = six;
    record.text = JSON.stringify(value);
    await c.start();
    t.same(c.holders, both('n4', 'n4'), 'and so does a start');
  },
);

t.test('what another container has taken meanwhile stays with it', async (t) => {
  const c = await container();
  await c.connect('n4');
  await c.program('n4');
  await c.connect('n6');
  await c.program('n6');
  c.host.hostPorts.foreign.set('[::]:8080/tcp', 'EADDRINUSE');
  await c.driver.revokePorts(ids('n6'));
  t.same(c.holders, ['0.0.0.0:8080/tcp n4']);
  t.ok(c.host.logged.some(({ message }) => /publishing ports again .* failed/.test(message)));
  await c.driver.revokePorts(ids('n4'));
  t.same(c.holders, []);
  await c.connect('other', '/other');
  await c.program('other').catch(() => undefined);
  c.host.hostPorts.foreign.clear();
  await c.program('other');
  t.same(c.holders, both('other', 'other'), 'nothing was left taken');
});

t.test("another container's ports are not taken over", async (t) => {
  const c = await container();
  await c.connect('n4');
  await c.program('n4');
  await c.connect('other', '/other');
  const before = stateOf(c.host);
  await t.rejects(c.program('other'), { code: 'port-allocated' });
  t.strictSame(stateOf(c.host), before);
});

t.test('a request that is refused takes nothing over', async (t) => {
  const c = await container();
  await c.connect('other', '/other');
  await c.program('other', false, 8081);
  await c.connect('n4');
  await c.program('n4');
  await c.connect('n6');
  const before = stateOf(c.host);
  await t.rejects(c.program('n6', false, 8081), { code: 'port-allocated' });
  t.strictSame(stateOf(c.host), before);
});

t.test('a container with IPv6 off is reached by the proxy, and its address is free', async (t) => {
  const c = await container();
  const sysctls = 'net.ipv6.conf.IFNAME.disable_ipv6=1';
  await c.connect('n46', '/ns', { 'com.docker.network.endpoint.sysctls': sysctls });
  await c.program('n46');
  t.same(c.holders, both('n46', 'n46'));
  const info = await c.driver.endpointInfo(ids('n46'));
  t.match(info['com.docker.network.portmap'], [
    { HostIP: '0.0.0.0', IP: '10.46.0.2' },
    { HostIP: '::', IP: '10.46.0.2' },
  ]);
  const before = stateOf(c.host);
  const heir = { networkId: ids('n46').networkId, endpointId: ids('other').endpointId };
  await c.driver.createEndpoint({
    ...heir,
    ...{ address: '10.46.0.3/24', addressIpv6: 'fd00:46::2/64', mac: '', options: {} },
  });
  t.same(c.holders, both('n46', 'n46'), 'the engine has given the address to another one');
  t.notOk(c.host.logged.some(({ level }) => level === 'warn'));
  await c.driver.deleteEndpoint(heir);
  await c.world.removals.idle();
  t.strictSame(stateOf(c.host), before);
});

/** n4 is the gateway of both families, then n6 is that of IPv6; `revoke` undoes it. */
for (const step of ['program', 'revoke'] as const) {
  t.test(`${step}: the daemon dies at any effect, and the engine repeats the call`, async (t) => {
    const setUp = async () => {
      const c = await container();
      await c.connect('n4');
      await c.program('n4');
      await c.connect('n6');
      if (step === 'revoke') await c.program('n6');
      return c;
    };
    const call = (c: Container) =>
      step === 'program' ? c.program('n6') : c.driver.revokePorts(ids('n6'));
    const reference = await setUp();
    await call(reference);
    const wanted = [stateOf(reference.host), reference.holders, reference.translations];
    const wrong: unknown[] = [];
    let deaths = 0;
    for (let effect = 1; ; effect += 1) {
      const c = await setUp();
      const killer = new Killer(effect, 0);
      await c.start(killer.interpose);
      killer.arm();
      if (!(await killer.kills(call(c)))) break;
      deaths += 1;
      await c.start();
      const [v4, v6] = c.holders;
      // Before the call is repeated, each family has a holder: the container is reached.
      if (v4 !== '0.0.0.0:8080/tcp n4' || v6 === undefined) wrong.push([killer.where, c.holders]);
      await call(c);
      const found = [stateOf(c.host), c.holders, c.translations];
      if (!isDeepStrictEqual(found, wanted)) wrong.push([killer.where, found, wanted]);
      for (const name of ['n4', 'n6'] as const) await c.driver.deleteEndpoint(ids(name));
      if (c.holders.length > 0) wrong.push([killer.where, 'left', c.holders]);
    }
    t.ok(deaths > 5, `${deaths} deaths`);
    t.same(wrong, []);
  });
}
