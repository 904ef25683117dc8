/** How long a publication is kept: over restarts of everything, until its container has been removed. */
import t from 'tap';
import { repairRules } from '../../../src/driver/repair/concerns/rules.js';
import { FakeContainers } from '../../fakes/fake-containers.js';
import { type FakeHost, makeHost } from '../../fakes/fake-host.js';
import { containerId, OperatedHost } from '../../fakes/operator.js';

async function operated(...published: Parameters<OperatedHost['publish']>) {
  const host = await new OperatedHost().start();
  await host.createNetwork();
  await host.startContainer('web');
  await host.publish(...published);
  return host;
}

const port = ['0.0.0.0:9000/tcp', ':::9000/tcp'].map((each) => each.replace(':::', '[::]:'));

t.test(
  'the container stops and starts: nothing is open until the engine says whose endpoint it is',
  async (t) => {
    const host = await operated('web', ['9000:80']);
    t.strictSame(host.held, port);
    await host.stopContainer();
    t.strictSame(host.held, []);
    t.strictSame(host.keeper.problems(), []);
    await host.startContainer('web', 4, 'again');
    await host.clock.pass(100);
    t.strictSame(host.held, [], 'the call itself does not wait for the engine');
    await host.told();
    t.strictSame(host.held, port);
    t.match(host.keeper.list(), [{ bindings: [{ containerIp: '10.5.0.4' }, {}] }]);
    t.strictSame(await repairRules(host.engine.world), []);
  },
);

t.test('the daemon starts again: with the container, without it, and after a reboot', async (t) => {
  const host = await operated('web', ['9000:80']);
  const { containers } = host;
  const silent = Object.assign(new FakeContainers(), { down: 'no engine' });
  const next = await new OperatedHost(host.host, silent).start();
  t.strictSame(next.held, port, 'no engine is needed for what was open');
  t.strictSame(await repairRules(next.engine.world), []);
  await next.clock.pass(3_600_000);
  t.equal(next.records.length, 1, 'and silence proves nothing');
  await next.stopContainer();
  await new OperatedHost(host.host, silent).start();
  const last = await new OperatedHost(host.host, containers).start();
  t.strictSame(last.held, []);
  await last.startContainer('web', 2, 'again');
  await last.told();
  t.strictSame(last.held, port);
  reboot(host.host);
  const booted = await new OperatedHost(host.host, containers).start();
  t.strictSame(booted.held, []);
  await booted.startContainer('web', 3, 'booted');
  await booted.told();
  t.strictSame(booted.held, port);
});

function reboot(host: FakeHost): void {
  host.links.links.clear();
  host.firewall.flush();
  host.hostPorts.held.clear();
}

t.test(
  'kept for the container: it goes when the engine has twice answered without it',
  async (t) => {
    const host = await operated('web', ['9000:80']);
    await host.stopContainer();
    await host.told();
    host.containers.existing.delete(host.keeper.list()[0]?.publication.id as never);
    await host.clock.pass(600_000);
    t.equal(host.records.length, 1, 'it exists');
    host.containers.existing.clear();
    host.containers.down = 'no answer';
    await host.clock.pass(600_000);
    t.equal(host.records.length, 1, 'silence');
    host.containers.down = undefined;
    const { networks } = host.containers;
    const known = [...networks];
    networks.clear();
    await host.clock.pass(600_000);
    t.equal(host.records.length, 1, 'another engine, which does not know the network');
    for (const [id, name] of known) networks.set(id, name);
    await host.told();
    t.equal(host.records.length, 1, 'once');
    await host.clock.pass(5_000);
    t.equal(host.records.length, 1);
    await host.clock.pass(6_000);
    t.equal(host.records.length, 0);
    t.match(host.host.logged.at(-1)?.message, 'unpublished ports of container web');
    t.equal(host.clock.pending, 0);
  },
);

t.test('an answer with the container in between begins anew', async (t) => {
  const host = await operated('web', ['9000:80']);
  await host.stopContainer();
  host.containers.existing.clear();
  await host.told();
  host.containers.existing.add(containerId('web') as never);
  await host.told();
  host.containers.existing.clear();
  await host.clock.pass(12_000);
  await host.told();
  t.equal(host.records.length, 1);
});

t.test(
  'by name: the next container of the name gets the port when the old one has left',
  async (t) => {
    const host = await operated('web', ['9000:80'], 'name');
    await host.startContainer('web', 3, 'new', containerId('new'));
    host.containers.started(host.engine.ids(5).endpointId, 'old_web', containerId('web'));
    await host.told();
    t.match(host.keeper.list(), [{ bindings: [{ containerIp: '10.5.0.2' }, {}] }]);
    await host.stopContainer();
    await host.clock.pass(100);
    t.match(host.keeper.list(), [{ bindings: [{ containerIp: '10.5.0.3' }, {}] }]);
    await host.stopContainer(3, 'new');
    host.containers.existing.clear();
    await host.clock.pass(600_000);
    t.equal(host.records.length, 1, 'it waits for the next one');
  },
);

t.test('until the container stops', async (t) => {
  const host = await operated('web', ['9000:80'], 'start');
  t.strictSame(host.held, port);
  await host.stopContainer();
  await host.clock.pass(100);
  t.strictSame([host.held, host.records], [[], []]);
});

t.test(
  'a port that is taken when the container starts again is tried until it is free',
  async (t) => {
    const host = await operated('web', ['9000:80']);
    await host.stopContainer();
    const api = await host.startContainer('api', 3);
    await host.engine.driver.publishPorts(api, host.engine.ports(9000));
    await host.startContainer('web', 2, 'again');
    await host.told();
    const [problem] = host.keeper.problems();
    t.match(
      problem,
      /^9000:80\/tcp, published for web, is not open: port 9000 is published by api \(since/,
    );
    t.equal(host.host.logged.filter(({ message }) => /cannot be opened/.test(message)).length, 1);
    await host.clock.pass(120_000);
    t.equal(host.host.logged.filter(({ message }) => /cannot be opened/.test(message)).length, 1);
    await host.engine.driver.revokePorts(api);
    await host.clock.pass(100);
    t.strictSame([host.held, host.keeper.problems()], [port, []]);
    t.strictSame(await repairRules(host.engine.world), []);
  },
);

t.test('the same with a program that has it: now and then', async (t) => {
  const host = await operated('web', ['9000:80']);
  await host.stopContainer();
  host.host.hostPorts.foreign.set('0.0.0.0:9000/tcp', 'EADDRINUSE');
  await host.startContainer('web', 2, 'again');
  await host.told();
  t.equal(host.keeper.problems().length, 1);
  const tried = host.host.faults.calls.length;
  await host.clock.pass(60_000);
  const attempts = host.host.faults.calls.slice(tried).filter((each) => each === 'hostPorts.open');
  t.ok(attempts.length >= 3 && attempts.length < 10, `${attempts.length} attempts in a minute`);
  host.host.hostPorts.foreign.clear();
  await host.clock.pass(16_000);
  t.strictSame([host.held, host.keeper.problems()], [port, []]);
});

t.test('a record that cannot be read: what is open stays open', async (t) => {
  const host = await operated('web', ['9000:80']);
  const [key = ''] = host.records;
  const record = host.host.store.records.get(key);
  host.host.store.records.set(key, { ...record, text: '{"word":9}' } as never);
  const next = await new OperatedHost(host.host, host.containers).start();
  await next.clock.pass(100);
  t.strictSame(next.held, port);
  t.match(next.engine.world.registry.unreadable.all(), [{ kind: 'publication' }]);
  t.strictSame(await repairRules(next.engine.world), []);
});

t.test('nothing is asked and no timer runs where nothing is published', async (t) => {
  const containers = new FakeContainers();
  const host = await new OperatedHost(makeHost(), containers).start();
  await host.createNetwork();
  await host.startContainer('web');
  const { asked } = containers;
  await host.clock.pass(3_600_000);
  t.strictSame([containers.asked, host.clock.pending], [asked, 0]);
  await host.keeper.stop();
});
