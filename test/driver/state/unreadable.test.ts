/** Records that are damaged or of a newer version: left alone, named, and all else is served. */
import t from 'tap';
import { recover } from '../../../src/driver/recover.js';
import { CalledDriver } from '../../fakes/called-driver.js';
import { Engine } from '../../fakes/engine-calls.js';
import { makeHost, stateOf } from '../../fakes/fake-host.js';

async function twoNetworks() {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  for (const number of [5, 6]) {
    await engine.driver.createNetwork(engine.network(number));
    await engine.driver.createEndpoint(engine.endpoint(number));
    await engine.driver.join(engine.ids(number), `/ns${number}`);
    await engine.driver.publishPorts(engine.ids(number), engine.ports(8000 + number));
  }
  return { host, engine };
}

t.test("a network's record", async (t) => {
  for (const text of [
    '{"phase',
    'null',
    '{}',
    '{"phase":"frozen"}',
    '{"phase":"ready","input":7}',
  ]) {
    const { host, engine } = await twoNetworks();
    const before = stateOf(host);
    const key = `network ${engine.ids(5).networkId}`;
    const record = host.store.records.get(key);
    if (record === undefined) throw new Error('no record');
    host.store.records.set(key, { ...record, text });
    await engine.start();
    t.same(stateOf(host), before, 'nothing was touched');
    const refused = { code: 'record-unreadable', message: /memory\/network\/.*backup/ };
    const { driver } = engine;
    await t.rejects(driver.createNetwork(engine.network(5)), refused);
    await t.rejects(driver.deleteNetwork(engine.ids(5).networkId), refused);
    await t.rejects(driver.createEndpoint(engine.endpoint(5)), refused);
    await t.rejects(driver.join(engine.ids(5), '/ns'), refused);
    await t.rejects(driver.publishPorts(engine.ids(5), engine.ports(9)), refused);
    await t.rejects(driver.leave(engine.ids(5)), refused);
    await t.rejects(driver.deleteEndpoint(engine.ids(5)), refused);
    await t.rejects(driver.endpointInfo(engine.ids(5)), refused);
    t.same(stateOf(host), before, 'nor by any call');
    t.equal(host.store.records.get(key)?.text, text);
    t.match(
      host.logged.filter(({ level }) => level === 'error'),
      [{ message: /memory\/network\/.*move it away/, fields: { file: /memory/ } }],
    );
    t.match(engine.world.registry.unreadable.networks(), [{ path: /memory/, reason: /reading/ }]);

    await driver.revokePorts(engine.ids(6));
    await t.rejects(
      driver.publishPorts(engine.ids(6), engine.ports(8005)),
      { code: 'port-allocated' },
      "the stranded endpoint's ports stay taken",
    );
    await driver.publishPorts(engine.ids(6), engine.ports(8006));
    await t.rejects(
      driver.createNetwork(engine.network(5, 'other')),
      { code: 'record-unreadable', message: /br-[0-9a-f]+ has 10\.5\.0\.0\/24, which may be/ },
      'its subnet is not taken by another one',
    );
    await driver.createNetwork(engine.network(7));
    t.same(stateOf(host).links.length, before.links.length + 1);

    host.store.records.set(key, record);
    await engine.start();
    await engine.removeAll(5, 6, 7);
    t.same(stateOf(host).links, []);
    t.same(stateOf(host).ports, []);
    t.same(stateOf(host).records, []);
  }
});

t.test("a bridge that may be the unreadable network's is not adopted", async (t) => {
  const { host, engine } = await twoNetworks();
  const key = `network ${engine.ids(5).networkId}`;
  host.store.records.set(key, { kind: 'network', id: engine.ids(5).networkId, text: '' });
  await engine.start();
  const bridge = `br-${engine.ids(5).networkId.slice(0, 12)}`;
  const options = { 'com.docker.network.generic': { 'com.docker.network.bridge.name': bridge } };
  await t.rejects(engine.driver.createNetwork({ ...engine.network(9), options }), {
    code: 'record-unreadable',
    message: /br-[0-9a-f]+ exists, which may be/,
  });
});

t.test("an endpoint's record", async (t) => {
  const { host, engine } = await twoNetworks();
  const before = stateOf(host);
  const key = `endpoint ${engine.ids(5).endpointId}`;
  host.store.records.set(key, {
    kind: 'endpoint',
    id: engine.ids(5).endpointId,
    text: '{"phase":1}',
  });
  await engine.start();
  t.same(stateOf(host).links, before.links);
  t.same(stateOf(host).rules, before.rules);
  t.same(stateOf(host).ports, before.ports);
  t.same(stateOf(host).records, before.records);
  const refused = { code: 'record-unreadable', message: /memory\/endpoint/ };
  await t.rejects(engine.driver.createEndpoint(engine.endpoint(5)), refused);
  await t.rejects(engine.driver.deleteEndpoint(engine.ids(5)), refused);
  await engine.driver.leave(engine.ids(6));
});

t.test('a record whose name is not its content', async (t) => {
  const { host, engine } = await twoNetworks();
  const good = host.store.records.get(`endpoint ${engine.ids(6).endpointId}`);
  const text = JSON.stringify({ ...JSON.parse(good?.text ?? '{}'), endpointId: 'x' });
  host.store.records.set('endpoint x', { kind: 'endpoint', id: 'x', text });
  await engine.start();
  t.match(engine.world.registry.unreadable.all(), [{ id: 'x', reason: /its ids are none/ }]);
});

t.test('nothing is served if it is not known which records there are', async (t) => {
  const { host } = await twoNetworks();
  const { world } = host.boot();
  world.store.load = async () => {
    throw new Error('EIO');
  };
  const recovered = recover(world);
  recovered.catch(() => {});
  const driver = new CalledDriver(world, recovered);
  await t.rejects(driver.deleteNetwork('a'.repeat(64) as never), { message: /EIO/ });
});
