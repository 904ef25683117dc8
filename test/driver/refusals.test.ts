/** The kernel and the tools refuse, at any call: the error is clear, nothing is left, the next call is fine. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { DriverError } from '../../src/core/errors.js';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { Engine } from '../fakes/engine-calls.js';
import { type FakeHost, type Interpose, makeHost, stateOf } from '../fakes/fake-host.js';

const reasons = ['EBUSY', 'ENOBUFS', 'EEXIST', 'ENODEV', 'ENOSPC', 'ETIMEDOUT'];
const calls: readonly (readonly [string, (engine: Engine) => Promise<unknown>])[] = [
  ['create network', (e) => e.driver.createNetwork(e.network(5))],
  ['create endpoint', (e) => e.driver.createEndpoint(e.endpoint(5))],
  ['join', (e) => e.driver.join(e.ids(5), '/ns')],
  ['program', (e) => e.driver.publishPorts(e.ids(5), e.ports(8000, 8001))],
  ['revoke', (e) => e.driver.revokePorts(e.ids(5))],
  ['leave', (e) => e.driver.leave(e.ids(5))],
  ['delete endpoint', (e) => e.driver.deleteEndpoint(e.ids(5))],
  ['delete network', (e) => e.driver.deleteNetwork(e.ids(5).networkId)],
];

/** Fails the `at`-th call that any part of the host gets, and `times - 1` after it. */
function failing(at: number, reason: string, times: number) {
  let count = 0;
  const state = {
    hit: '',
    interpose: (<Part extends object>(name: string, part: Part): Part =>
      new Proxy(part, {
        get: (target, key) => {
          const member: unknown = Reflect.get(target, key, target);
          if (typeof member !== 'function') return member;
          return (...args: unknown[]): unknown => {
            if (
              [
                'supports',
                'deletesByHandle',
                'missingTables',
                'problems',
                'refuseDoubt',
                'prepare',
                'foresee',
              ].includes(String(key))
            ) {
              return Reflect.apply(member, target, args);
            }
            count += state.armed ? 1 : 0;
            if (!state.armed || count < at || count >= at + times) {
              return Reflect.apply(member, target, args);
            }
            state.hit ||= `${name}.${String(key)}`;
            return Promise.reject(new Error(`${String(key)}: ${reason}`));
          };
        },
      })) satisfies Interpose,
    armed: false,
    arm: () => {
      state.armed = true;
    },
    disarm: () => {
      state.armed = false;
    },
  };
  return state;
}

async function prepared(index: number, interpose: Interpose, arm: () => void) {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start(interpose);
  await engine.driver.createNetwork(engine.network(6));
  for (const [, call] of calls.slice(0, index)) await call(engine);
  await engine.world.removals.idle();
  const before = stateOf(host);
  arm();
  return { host, engine, before };
}

async function reference(count: number) {
  const { host, engine } = await prepared(
    count,
    (_name, part) => part,
    () => {},
  );
  await engine.world.removals.idle();
  return stateOf(host);
}

/** What an engine does after a failure: it removes what it knows, whatever the answers. */
async function cleanUp(engine: Engine, host: FakeHost) {
  await engine.driver.leave(engine.ids(5));
  await engine.driver.deleteEndpoint(engine.ids(5));
  await engine.driver.deleteNetwork(engine.ids(5).networkId);
  await engine.world.removals.idle();
  return stateOf(host);
}

for (const [index, [name, call]] of calls.entries()) {
  for (const times of [1, 3]) {
    t.test(`${name}: ${times} refused`, async (t) => {
      const [done, nothing] = [await reference(index + 1), await reference(0)];
      const wrong: unknown[] = [];
      for (let at = 1; ; at += 1) {
        const reason = reasons[at % reasons.length] ?? '';
        const faults = failing(at, reason, times);
        const { host, engine } = await prepared(index, faults.interpose, faults.arm);
        const error = await call(engine).then(
          () => undefined,
          (error: unknown) => error,
        );
        await engine.world.removals.idle();
        if (faults.hit === '') break;
        const where = `${faults.hit} ${reason}`;
        if (error !== undefined && !(error instanceof DriverError)) wrong.push([where, error]);
        if (error instanceof DriverError && !error.message.includes(reason)) {
          wrong.push([where, error.message]);
        }
        if (times > 1) await call(engine).catch(() => {});
        faults.disarm();
        await call(engine);
        await engine.world.removals.idle();
        if (faults.hit.startsWith('links.remove') || !same(stateOf(host), done)) await sleep(20);
        if (!same(stateOf(host), done)) {
          wrong.push([`${where}: after the next call`, difference(stateOf(host), done)]);
        }
        await repairRules(engine.world);
        const left = await cleanUp(engine, host);
        if (!same(left, nothing)) wrong.push([where, difference(left, nothing)]);
      }
      t.same(wrong, []);
    });
  }
}

type State = ReturnType<typeof stateOf>;
const same = (a: State, b: State): boolean =>
  JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
/** Rules of different networks may have changed places. */
const sorted = (state: State) => ({
  ...state,
  rules: Object.entries(state.rules).map(([chain, rules]) => [chain, [...rules].sort()]),
});
const difference = (found: State, wanted: State) => ({
  links: [found.links, wanted.links],
  ports: [found.ports, wanted.ports],
  records: [found.records.length, wanted.records.length],
  rules: Object.keys(found.rules).filter(
    (chain) => JSON.stringify(found.rules[chain]) !== JSON.stringify(wanted.rules[chain]),
  ),
});

t.test('a start that cannot list the interfaces at once tries again', async (t) => {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  await engine.driver.createNetwork(engine.network(6));
  const wanted = stateOf(host);
  for (let time = 0; time < 4; time += 1) host.faults.plan('links.list', 'ETIMEDOUT');
  await engine.start();
  t.same(stateOf(host), wanted);
  for (let time = 0; time < 5; time += 1) host.faults.plan('links.list', 'ETIMEDOUT');
  await t.rejects(engine.start(), { message: /ETIMEDOUT/ });
  await engine.start();
  t.same(stateOf(host), wanted);
});
