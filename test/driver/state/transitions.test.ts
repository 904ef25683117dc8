/** Records change by named transitions, and what is on its way out does not come back. */
import t from 'tap';
import {
  endpointRemoving,
  joined,
  networkMade,
  networkRemoving,
  observedMoved,
  releaseFailed,
  releaseFinished,
  releaseRecord,
  releasing,
} from '../../../src/driver/state/transitions.js';
import { Engine } from '../../fakes/engine-calls.js';
import { makeHost } from '../../fakes/fake-host.js';

async function published() {
  const engine = new Engine(makeHost());
  await engine.start();
  await engine.driver.createNetwork(engine.network(5));
  await engine.driver.createEndpoint(engine.endpoint(5));
  await engine.driver.publishPorts(engine.ids(5), engine.ports(8000, 8001));
  const [state] = engine.world.registry.endpoints();
  if (state === undefined) throw new Error('no endpoint');
  return { engine, state };
}

t.test('a network or endpoint that is being removed never becomes ready again', async (t) => {
  const { state } = await published();
  endpointRemoving(state);
  const { record } = state;
  t.throws(() => joined(state, '/ns', undefined), /is being removed and cannot become ready/);
  t.throws(() => observedMoved(state), /is being removed/);
  t.equal(state.record, record, 'nothing changed');
  endpointRemoving(state);
  networkRemoving(state.network);
  t.throws(() => networkMade(state.network), /is being removed/);
  networkRemoving(state.network);
});

t.test('a release that fails leaves the endpoint with what it had published', async (t) => {
  const { state } = await published();
  const before = state.record;
  t.match(releaseRecord(state), { bindings: [], released: { bindings: before.bindings } });
  t.equal(state.record, before, 'only the disk knows as yet');
  const ports = releasing(state);
  t.same(state.record.bindings, []);
  releaseFailed(state, ports);
  t.strictSame(state.record, before);
});

t.test('a release that a start has finished is not on record any more', async (t) => {
  const { state } = await published();
  releasing(state);
  releaseFinished(state);
  t.notOk('released' in state.record);
  t.same(state.record.bindings, []);
});

t.test('a Join of an endpoint that is being removed is refused', async (t) => {
  const { engine, state } = await published();
  endpointRemoving(state);
  await t.rejects(engine.driver.join(engine.ids(5), '/ns'), { code: 'endpoint-unknown' });
  await t.rejects(engine.driver.publishPorts(engine.ids(5), {}), { code: 'endpoint-unknown' });
});
