/** The daemon is killed before and after every effect of a change of limits, and started again. */
import t from 'tap';
import type { GivenLimits } from '../../src/core/network/limits.js';
import { repairLimits } from '../../src/driver/repair/concerns/limits.js';
import { setEndpointLimits, setNetworkLimits } from '../../src/driver/usecases/set-limits.js';
import type { World } from '../../src/driver/world.js';
import { Engine } from '../fakes/engine-calls.js';
import { type FakeHost, makeHost, stateOf } from '../fakes/fake-host.js';
import { Killer } from '../process/killer.js';

const both: GivenLimits = { down: { rate: 10_000_000 }, up: { rate: 20_000_000 } };
const none: GivenLimits = { down: { rate: 'none' }, up: { rate: 'none' } };
const other: GivenLimits = { down: { rate: 5_000_000 }, up: { rate: 'none' } };

type Change = (world: World, limits: GivenLimits) => Promise<void>;
const ofEndpoint: Change = async (world, limits) => {
  const [state] = world.registry.endpoints();
  if (state !== undefined) await setEndpointLimits(world, state, limits);
};
const ofNetwork: Change = async (world, limits) => {
  const [state] = world.registry.networks();
  if (state !== undefined) await setNetworkLimits(world, state, limits);
};

/** A host with two containers on a network, after the first of two changes. */
async function changed(change: Change, first: GivenLimits): Promise<FakeHost> {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  await engine.driver.createNetwork(engine.network(5));
  const { networkId } = engine.ids(5);
  for (const number of [2, 3]) {
    await engine.driver.createEndpoint({ ...engine.endpoint(5, '', number), networkId });
    const { endpointId } = engine.ids(5, '', number);
    await engine.driver.join({ networkId, endpointId }, `/ns${number}`);
  }
  await change(engine.world, first);
  return host;
}

async function revive(host: FakeHost): Promise<Engine> {
  const engine = new Engine(host);
  await engine.start();
  return engine;
}

const cases: readonly [GivenLimits, GivenLimits][] = [
  [{}, both],
  [both, none],
  [both, other],
  [none, both],
];

for (const [name, change] of [
  ['endpoint', ofEndpoint],
  ['network', ofNetwork],
] as const) {
  t.test(`limits of ${name}: every death comes to what is on record`, async (t) => {
    for (const [first, second] of cases) {
      const before = stateOf(await changed(change, first)).limits;
      const whole = await changed(change, first);
      await change((await revive(whole)).world, second);
      const after = stateOf(whole).limits;
      t.notSame(before, after);
      let deaths = 0;
      for (const order of [0, 1]) {
        for (let effect = 1; ; effect += 1) {
          const host = await changed(change, first);
          const killer = new Killer(effect, order);
          const dying = new Engine(host);
          await dying.start(killer.interpose);
          killer.arm();
          if (!(await killer.kills(change(dying.world, second)))) break;
          deaths += 1;
          const { world } = await revive(host);
          const recorded = !killer.where.startsWith('before store.write');
          t.strictSame(stateOf(host).limits, recorded ? after : before, killer.where);
          t.strictSame(await repairLimits(world, 'dry-run', world.registry.endpoints()), []);
        }
      }
      t.ok(deaths >= 6, `${deaths} deaths`);
    }
  });
}
