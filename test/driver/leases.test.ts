/** Networks that last as long as a lease, whatever becomes of who holds it. */
import t from 'tap';
import type { NetworkId } from '../../src/core/names.js';
import { BridgeDriver } from '../../src/driver/driver.js';
import { Leases, leaseMs } from '../../src/driver/leases.js';
import { forgetNetwork, forgottenCandidates } from '../../src/driver/orphans/forgotten-networks.js';
import { Suspects } from '../../src/driver/orphans/suspects.js';
import { recover } from '../../src/driver/recover.js';
import { isLeased, isLeftOfLease } from '../../src/driver/state/leased.js';
import { libnetwork } from '../../src/frontends/libnetwork/front-end.js';
import { FakeClock } from '../fakes/fake-clock.js';
import { type FakeHost, makeHost, stateOf } from '../fakes/fake-host.js';
import { endpointInput, networkInput } from '../fakes/inputs.js';

const id = (begin: string) => begin.padEnd(64, '0') as never;
const networkId = id('7e57a');
const asked = {
  networkId,
  frontEnd: libnetwork.name,
  input: networkInput({ id: networkId }),
};
const ids = { networkId, endpointId: id('7e57b') };
const askedEndpoint = { ...ids, frontEnd: libnetwork.name, input: endpointInput(ids) };
const noPorts = { requests: [], exposed: [], noProxy6To4: false };

const firstNetwork = {
  networkId: id('ab'),
  frontEnd: libnetwork.name,
  input: networkInput({
    id: id('ab'),
    ipv4: [{ pool: '10.200.0.0/24', gateway: '10.200.0.1/24' }],
  }),
};

async function start(host: FakeHost = makeHost()) {
  const { world } = host.boot();
  const recovered = recover(world);
  await recovered;
  const driver = new BridgeDriver(world, recovered);
  const clock = new FakeClock();
  const removed = () => world.removals.idle();
  const leases = new Leases({
    ...{ driver, log: world.log, removed, clock },
    isLeft: (network) => isLeftOfLease(world.registry.network(network)),
  });
  // The first network makes the base rules, which stay.
  await driver.createNetwork(firstNetwork);
  return { host, world, driver, clock, leases, before: stateOf(host) };
}

async function furnished(started: Awaited<ReturnType<typeof start>>) {
  const lease = started.leases.begin();
  await lease.createNetwork(asked);
  await lease.createEndpoint(askedEndpoint);
  await lease.join(ids, '/proc/1/ns/net');
  await lease.publishPorts(ids, noPorts);
  return lease;
}

t.test('the holder ends it: nothing is left, and calls are refused', async (t) => {
  const started = await start();
  const lease = await furnished(started);
  t.notSame(stateOf(started.host), started.before);
  t.equal((await lease.endpointInfo(ids)).mac.length, 17);
  t.ok(lease.has(networkId));
  t.equal(await lease.end('told so'), undefined);
  t.strictSame(stateOf(started.host), started.before);
  await t.rejects(lease.createNetwork(asked), { code: 'network-busy' });
  t.throws(() => started.leases.find(lease.id), { code: 'network-unknown' });
  lease.renew();
  t.equal(started.clock.pending, 0, 'no timer is left');
});

t.test('silence ends it, and a sign of life puts that off', async (t) => {
  const started = await start();
  const lease = await furnished(started);
  await started.clock.pass(leaseMs - 1);
  lease.renew();
  await started.clock.pass(leaseMs - 1);
  t.ok(started.world.registry.network(networkId), 'it is there');
  await started.clock.pass(1);
  await lease.end('waits for the end that has begun');
  t.strictSame(stateOf(started.host), started.before);
});

t.test('the end waits for a call that has begun', async (t) => {
  const started = await start();
  const lease = started.leases.begin();
  const creating = lease.createNetwork(asked);
  await lease.end('its command has gone');
  await creating;
  t.strictSame(stateOf(started.host), started.before);
});

t.test('the end of the daemon ends all of them, and none begins', async (t) => {
  const started = await start();
  await furnished(started);
  await started.leases.close();
  t.strictSame(stateOf(started.host), started.before);
  t.throws(() => started.leases.begin(), { code: 'network-busy', message: /the daemon stops/ });
});

t.test('after a crash the next start removes what is leased, and nothing else', async (t) => {
  const started = await start();
  const before = stateOf(started.host);
  await furnished(started);
  const { world: again } = started.host.boot();
  await recover(again);
  await again.removals.idle();
  t.strictSame(
    again.registry.networks().map(({ spec }) => spec.id),
    [id('ab')],
  );
  t.strictSame(stateOf(started.host), before);
});

t.test('only what was made under it can be changed under it', async (t) => {
  const started = await start();
  await started.driver.createNetwork(asked);
  const lease = started.leases.begin();
  const refused = { code: 'network-unknown', message: /is not of this test/ };
  await t.rejects(lease.deleteNetwork(networkId), refused);
  await t.rejects(lease.createEndpoint(askedEndpoint), refused);
  await t.rejects(lease.createNetwork(asked), { code: 'network-exists' });
  await lease.end('told so');
  t.ok(started.world.registry.network(networkId), "the engine's network stays");
});

t.test("a call that makes a network is no way to an engine's network of the same id", async (t) => {
  const started = await start();
  await started.driver.createNetwork(asked);
  const lease = started.leases.begin();
  const making = lease.createNetwork(asked);
  const refused = { code: 'network-unknown', message: /is not of this test/ };
  await Promise.all([
    t.rejects(making, { code: 'network-exists' }),
    t.rejects(lease.deleteNetwork(networkId), refused),
    lease.end('its command has gone'),
  ]);
  t.ok(started.world.registry.network(networkId), "the engine's network stays");
});

t.test('what was made under it stays under it when it is asked for again', async (t) => {
  const started = await start();
  const lease = started.leases.begin();
  await lease.createNetwork(asked);
  await lease.createNetwork(asked);
  const ipv4 = [{ pool: '10.9.0.0/24', gateway: '10.9.0.1/24' }];
  const other = { ...asked, input: networkInput({ id: networkId, ipv4 }) };
  await t.rejects(lease.createNetwork(other), { code: 'network-exists' });
  await lease.end('told so');
  t.strictSame(stateOf(started.host), started.before);
});

t.test('no more networks than there may be, also at once', async (t) => {
  const started = await start();
  const lease = started.leases.begin();
  const made = [1, 2, 3, 4, 5, 6].map((number) => {
    const other = id(`7e57${number}`);
    const ipv4 = [{ pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` }];
    return lease.createNetwork({
      ...asked,
      networkId: other,
      input: networkInput({ id: other, ipv4 }),
    });
  });
  const results = (await Promise.allSettled(made)).map(({ status }) => status);
  t.strictSame(results, [...Array(4).fill('fulfilled'), ...Array(2).fill('rejected')]);
  await lease.end('told so');
  t.strictSame(stateOf(started.host), started.before);
});

t.test('what cannot be removed is told, after some attempts', async (t) => {
  const started = await start();
  const { world, clock } = started;
  const attempts: string[] = [];
  const driver = new Proxy(started.driver, {
    get(target, name) {
      if (name !== 'deleteNetwork') return Reflect.get(target, name).bind?.(target);
      return async (network: string) => {
        attempts.push(network);
        throw new Error('the bridge is stuck');
      };
    },
  });
  const removed = () => world.removals.idle();
  const leases = new Leases({
    ...{ driver, log: world.log, removed, clock },
    isLeft: (network) => isLeftOfLease(world.registry.network(network)),
  });
  const lease = leases.begin();
  await lease.createNetwork(asked);
  const ended = lease.end('told so');
  for (let number = 1; number <= 5; number += 1) await clock.pass(2_000);
  t.match(await ended, /the bridge is stuck/);
  t.strictSame(attempts, Array(5).fill(networkId));
  t.throws(() => leases.find(lease.id), { code: 'network-unknown' });
  await clock.pass(30_000);
  t.equal(attempts.length, 6, 'it is tried again later');
  await leases.close();
  await clock.pass(60_000);
  t.equal(attempts.length, 6, 'until the daemon stops');
  t.equal(clock.pending, 0, 'no timer is left');
});

t.test('a network that can neither be made nor undone has an owner, and goes later', async (t) => {
  const started = await start();
  const { host, world, clock, leases } = started;
  const { addNetwork } = world.rules;
  world.rules.addNetwork = async (...args) => {
    await addNetwork.apply(world.rules, args);
    host.firewall.failures.push(...Array(100).fill('the kernel refuses'));
    throw new Error('refused, and not undone');
  };
  const lease = leases.begin();
  await t.rejects(lease.createNetwork(asked), { message: /refused, and not undone/ });
  t.ok(world.registry.network(networkId), 'it is there');
  const ended = lease.end('its command has gone');
  for (let number = 1; number <= 5; number += 1) await clock.pass(2_000);
  t.match(await ended, /the kernel refuses/);
  host.firewall.failures.length = 0;
  await clock.pass(30_000);
  await leases.close();
  t.equal(world.registry.network(networkId), undefined);
  t.strictSame(stateOf(host), started.before);
  t.equal(clock.pending, 0);
});

t.test('calls take things away before the end, too; and there is a limit to them', async (t) => {
  const started = await start();
  const lease = await furnished(started);
  lease.engineStarted();
  await lease.revokePorts(ids);
  await lease.leave(ids);
  await lease.deleteEndpoint(ids);
  await lease.deleteNetwork(networkId);
  await started.world.removals.idle();
  t.strictSame(stateOf(started.host), started.before);
  for (let number = 1; number < 4; number += 1) started.leases.begin();
  t.throws(() => started.leases.begin(), { code: 'network-busy', message: /4 tests run already/ });
  for (let number = 1; number < 4; number += 1) {
    const other = id(`7e57${number}`);
    const ipv4 = [{ pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` }];
    await lease.createNetwork({
      ...asked,
      networkId: other,
      input: networkInput({ id: other, ipv4 }),
    });
  }
  const fifth = id('7e579');
  await t.rejects(
    lease.createNetwork({ ...asked, networkId: fifth, input: networkInput({ id: fifth }) }),
    { code: 'bad-request', message: 'a test may make 4 networks' },
  );
});

t.test('no engine lists it: that is no sign that an engine has forgotten it', async (t) => {
  const started = await start();
  await furnished(started);
  const { world } = started;
  const network = world.registry.network(networkId);
  t.ok(network && isLeased(network));
  const engine = { id: 'engine', process: undefined, upMs: 0, dataRoot: '' } as never;
  const suspects = new Suspects(world.registry, () => false, started.clock);
  suspects.note(engine, new Set<NetworkId>([id('ab')]));
  t.strictSame([...suspects.missingFor(0)], []);
  started.driver.engineStarted();
  const candidates = forgottenCandidates(world).map((each) => each.id);
  t.strictSame(candidates, [id('ab')]);
  await t.rejects(forgetNetwork(world, networkId, true), {
    code: 'network-busy',
    message: /is one of tsbridge connectivity-test/,
  });
});
