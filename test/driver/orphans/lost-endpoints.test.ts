/** Endpoints that the engine has lost: removed if nothing can be using them. */
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { observedMoved } from '../../../src/driver/state/transitions.js';
import { stateOf } from '../../fakes/fake-host.js';
import {
  type All,
  bridgeOf,
  collect,
  minute,
  otherProcess,
  setUp,
} from '../../fakes/forgetful-engine.js';

/** A container of network 6 with a port, as Join has left it. */
async function withEndpoint({ inContainer = false } = {}) {
  const all = await setUp();
  const { calls, host, known } = all;
  const ids = calls.ids(6);
  await calls.driver.createEndpoint(calls.endpoint(6));
  await calls.driver.join(ids, '/ns');
  await calls.driver.publishPorts(ids, calls.ports(8000));
  const state = calls.world.registry.endpoint(ids.endpointId);
  if (state === undefined) throw new Error('no endpoint');
  if (inContainer) host.links.links.delete(state.spec.veth.container);
  // The engine has not named it for more than a minute.
  all.forgotten.start();
  await all.clock.pass(2 * minute);
  all.forgotten.stop();
  return { ...all, ids, state, known };
}

t.test('an endpoint whose removal never reached us', async (t) => {
  const all = await withEndpoint();
  const { calls, host, ids } = all;
  t.strictSame((await collect(all, true)).endpoints, [ids.endpointId]);
  t.not(host.hostPorts.held.size, 0);
  t.strictSame(await collect(all), {
    networks: [bridgeOf(all, 5)],
    endpoints: [ids.endpointId],
    kept: [],
  });
  await calls.world.removals.idle();
  t.equal(host.hostPorts.held.size, 0, 'its port is free');
  t.strictSame(stateOf(host).links, [bridgeOf(all, 6)]);
});

t.test('the answer comes when records and interfaces are gone', async (t) => {
  const all = await withEndpoint();
  const { host } = all;
  const remove = host.store.remove.bind(host.store);
  host.store.remove = async (kind, id) => {
    await pause(5);
    return remove(kind, id);
  };
  const { networks, endpoints } = await collect(all);
  t.strictSame([networks.length, endpoints.length], [1, 1]);
  const { links, records } = stateOf(host);
  t.strictSame(links, [bridgeOf(all, 6)]);
  t.strictSame(records, [`network ${all.ids.networkId}`]);
});

t.test('what the kernel does not let go is not called removed', async (t) => {
  const all = await withEndpoint();
  const { host, calls } = all;
  // The removal, and the attempt that the answer waits for; of either link.
  const remove = host.links.remove.bind(host.links);
  let busy = true;
  host.links.remove = async (name) => {
    if (busy) throw new Error(`${name}: EBUSY`);
    return remove(name);
  };
  const { networks, endpoints, kept } = await collect(all);
  t.strictSame([networks, endpoints], [[], []]);
  t.match(kept, [/^endpoint .* could not be removed/, /^network .* could not be removed/]);
  busy = false;
  for (const name of [all.state.spec.veth.host, bridgeOf(all, 5)]) {
    t.ok(await calls.world.removals.clear(name as never), 'it is tried again');
  }
  t.strictSame(stateOf(host).records, [`network ${all.ids.networkId}`]);
});

t.test('an endpoint that may be in use', async (t) => {
  const stopped = (all: All) => all.asked.add('c'.repeat(64), 'web', [all.calls.ids(6).networkId]);
  const cases: Record<
    string,
    [(all: Awaited<ReturnType<typeof withEndpoint>>) => unknown, RegExp]
  > = {
    'a container has it': [
      ({ asked, ids }) => asked.add('c'.repeat(64), 'web', [ids.networkId, ids.endpointId]),
      /^$/,
    ],
    'its container may be about to start': [stopped, /may be about to start/],
    'a container whose networks are not known yet': [
      ({ asked }) => asked.add('c'.repeat(64), 'web', ['some name']),
      /may be about to start/,
    ],
    'its container is there': [({ host }) => host.sandboxes.alive.add('/ns'), /\/ns, is there/],
    'it is of another engine': [
      ({ asked }) => {
        asked.process = otherProcess;
        asked.engineId = 'ENGINE:B';
      },
      /not known/,
    ],
  };
  for (const [what, [change, why]] of Object.entries(cases)) {
    const all = await withEndpoint();
    await change(all);
    const { endpoints, kept } = await collect(all);
    t.strictSame(endpoints, [], what);
    t.match(kept.filter((line) => line.startsWith('endpoint')).join(), why, what);
    t.not(all.host.hostPorts.held.size, 0);
  }
  const inside = await withEndpoint({ inContainer: true });
  t.match((await collect(inside)).kept.join(), /in a container's network namespace/);
  const moved = await withEndpoint();
  stopped(moved);
  observedMoved(moved.state);
  t.strictSame(
    (await collect(moved)).endpoints,
    [moved.ids.endpointId],
    'it has started, and ended',
  );

  const fresh = await setUp();
  await fresh.calls.driver.createEndpoint(fresh.calls.endpoint(6));
  t.match((await collect(fresh)).kept.join(), /made or used a moment ago/);
});

t.test("an operator's word: also beside a container that runs", async (t) => {
  const all = await withEndpoint();
  all.host.sandboxes.alive.add('/ns');
  const forget = async (name: string, dryRun: boolean) => {
    const forgetting = all.forgotten.forgetEndpoint(name, dryRun);
    forgetting.catch(() => undefined);
    await all.clock.pass(10_000);
    return forgetting;
  };
  const id = all.ids.endpointId;
  await t.rejects(forget('web', true), { code: 'endpoint-unknown' });
  t.match(await forget(id.slice(0, 12), true), { id, ports: ['8000/tcp'] });
  all.asked.add('c'.repeat(64), 'web', [all.ids.networkId, id]);
  await t.rejects(forget(id, false), { code: 'network-busy', message: /the engine lists it/ });
  all.asked.known.clear();
  t.match(await forget(id, false), { id });
  await t.rejects(forget(id, false), { code: 'endpoint-unknown' });
  t.equal(all.host.hostPorts.held.size, 0);
});
