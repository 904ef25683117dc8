/** Networks that the engine may have forgotten: named, and removed at an operator's word only. */
import t from 'tap';
import {
  forgetNetwork,
  forgottenCandidates,
} from '../../../src/driver/orphans/forgotten-networks.js';
import { frontEnd } from '../../fakes/called-driver.js';
import { Engine } from '../../fakes/engine-calls.js';
import { makeHost, stateOf } from '../../fakes/fake-host.js';

async function start() {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  return { host, engine };
}

t.test('an equal subnet is no proof that the engine forgot a network', async (t) => {
  const { host, engine } = await start();
  await engine.driver.createNetwork(engine.network(5));
  await engine.start();
  const before = stateOf(host);
  for (const when of ['after a restart of the daemon', 'after a restart of the engine']) {
    await t.rejects(
      engine.driver.createNetwork(engine.network(5, 'other')),
      {
        code: 'network-conflict',
        message: new RegExp(
          `overlapping IPv4 .*${frontEnd().words.removeNetwork}.*tsbridge forget`,
        ),
      },
      when,
    );
    t.strictSame(stateOf(host), before, `${when} nothing has changed`);
    engine.driver.engineStarted();
  }
  await engine.driver.createEndpoint(engine.endpoint(5));
  t.pass('its containers start');
});

t.test('candidates are idle networks that no engine has used since the last start', async (t) => {
  const { engine } = await start();
  const candidates = () => forgottenCandidates(engine.world).map(({ bridge }) => bridge);
  const bridgeOf = (number: number) => `br-${engine.ids(number).networkId.slice(0, 12)}`;
  for (const number of [5, 6, 7]) await engine.driver.createNetwork(engine.network(number));
  t.same(candidates(), [], 'the engine has just made them');
  engine.driver.engineStarted();
  t.same(candidates(), [5, 6, 7].map(bridgeOf));
  await engine.driver.createEndpoint(engine.endpoint(6));
  t.same(candidates(), [5, 7].map(bridgeOf), 'not while it has an endpoint');
  await engine.driver.deleteEndpoint(engine.ids(6));
  t.same(candidates(), [5, 7].map(bridgeOf), 'nor when the engine has used it');
  t.match(forgottenCandidates(engine.world)[0], {
    id: engine.ids(5).networkId,
    bridgeGoes: true,
    subnets: ['10.5.0.0/24'],
  });
});

t.test('an operator forgets a network', async (t) => {
  const { host, engine } = await start();
  const nothing = stateOf(host);
  await engine.driver.createNetwork(engine.network(5));
  await engine.start();
  const before = stateOf(host);
  const { networkId } = engine.ids(5);
  const wanted = { id: networkId, bridge: `br-${networkId.slice(0, 12)}`, bridgeGoes: true };
  t.match(await forgetNetwork(engine.world, networkId.slice(0, 12), true), wanted);
  t.strictSame(stateOf(host), before, 'asked what would go: nothing has');
  t.match(await forgetNetwork(engine.world, wanted.bridge, false), wanted);
  await engine.world.removals.idle();
  const { links, records, ports } = stateOf(host);
  t.same({ links, records, ports }, { links: [], records: [], ports: nothing.ports });
  t.notMatch(JSON.stringify(host.firewall.dump()), wanted.bridge);
  await engine.driver.createNetwork(engine.network(5, 'other'));
});

t.test('forgotten: the answer comes when the record is gone, and not before', async (t) => {
  const { host, engine } = await start();
  await engine.driver.createNetwork(engine.network(5));
  await engine.start();
  const { networkId } = engine.ids(5);
  host.store.remove = async () => {
    throw new Error('EIO');
  };
  await t.rejects(forgetNetwork(engine.world, networkId, false), {
    code: 'link-failed',
    message: /its record not deleted/,
  });
});

t.test('a network in use is not forgotten', async (t) => {
  const { host, engine } = await start();
  const { world, driver } = engine;
  await driver.createNetwork(engine.network(5));
  const name = engine.ids(5).networkId;
  const busy = (message: RegExp) => ({ code: 'network-busy', message });
  await t.rejects(
    forgetNetwork(world, name, false),
    busy(new RegExp(frontEnd().words.removeNetwork)),
    'just made',
  );
  await driver.createEndpoint(engine.endpoint(5));
  await driver.join(engine.ids(5), '/ns');
  driver.engineStarted();
  host.sandboxes.alive.add('/ns');
  const before = stateOf(host);
  await t.rejects(forgetNetwork(world, name, false), busy(/1 endpoints .*not proven dead/));
  t.strictSame(stateOf(host), before);
  await driver.deleteEndpoint(engine.ids(5));
  await world.removals.idle();
  driver.engineStarted();
  const bridge = host.links.links.get(`br-${name.slice(0, 12)}`);
  const veth = { ...bridge, name: 'veth0', kind: 'veth', master: bridge?.index, addresses: [] };
  host.links.links.set('veth0', veth as never);
  await t.rejects(forgetNetwork(world, name, false), busy(/veth0/), 'whatever is on its bridge');
});

t.test('a name that stands for no network, or for several', async (t) => {
  const { engine } = await start();
  await engine.driver.createNetwork(engine.network(5));
  engine.driver.engineStarted();
  const { networkId } = engine.ids(5);
  for (const name of ['app', networkId.slice(0, 3), `${networkId}0`, '', '../x', '\u001b[2J']) {
    await t.rejects(forgetNetwork(engine.world, name, false), { code: 'network-unknown' }, name);
  }
  const twin = { ...engine.network(6), networkId: networkId.slice(0, 10).padEnd(64, '0') };
  await engine.driver.createNetwork(twin);
  engine.driver.engineStarted();
  await t.rejects(forgetNetwork(engine.world, networkId.slice(0, 10), false), {
    message: /beginning of 2 ids/,
  });
});

t.test('what the engine was never told of, or asked to remove, makes room by itself', async (t) => {
  const { host, engine } = await start();
  await engine.driver.createNetwork(engine.network(5));
  host.firewall.failures.push('no', 'no');
  await t.rejects(engine.driver.deleteNetwork(engine.ids(5).networkId));
  host.firewall.failures.length = 0;
  await engine.driver.createNetwork(engine.network(5, 'other'));
  t.same(
    engine.world.registry.networks().map(({ spec }) => spec.id),
    [engine.ids(5, 'other').networkId],
  );
});
