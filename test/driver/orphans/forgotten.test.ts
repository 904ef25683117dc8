/** What the engine has forgotten is removed on its own proof, and on nothing less. */
import t from 'tap';
import type { InterfaceName, VethNames } from '../../../src/core/names.js';
import type { LinkSpec } from '../../../src/core/network/links.js';
import { engineProcess } from '../../fakes/called-driver.js';
import { stateOf } from '../../fakes/fake-host.js';
import {
  type All,
  bridgeOf,
  collect,
  minute,
  otherProcess,
  setUp,
} from '../../fakes/forgetful-engine.js';

t.test('a network that the engine has never heard of goes, others stay', async (t) => {
  const all = await setUp();
  const before = stateOf(all.host);
  const wanted = { networks: [bridgeOf(all, 5)], endpoints: [], kept: [] };
  t.strictSame(await collect(all, true), wanted);
  t.strictSame(stateOf(all.host), before, 'asked what would go: nothing has');
  t.strictSame(await collect(all), wanted);
  await all.calls.world.removals.idle();
  t.strictSame(stateOf(all.host).links, [bridgeOf(all, 6)]);
  t.strictSame(await collect(all), { networks: [], endpoints: [], kept: [] });
  t.match(all.host.logged.at(-1), { message: /removed a network that the engine has forgotten/ });
});

t.test('what is no proof', async (t) => {
  const cases: Record<
    string,
    { first?: (all: All) => unknown; between?: (all: All) => unknown; why: RegExp }
  > = {
    'an engine that is silent': { first: ({ asked }) => (asked.silence = 'EOF'), why: /EOF/ },
    'an engine that falls silent': { between: ({ asked }) => (asked.silence = 'EOF'), why: /EOF/ },
    'an engine that was started again': {
      between: ({ asked }) => (asked.process = otherProcess),
      why: /started again meanwhile/,
    },
    'the answer of another engine': {
      between: ({ asked }) => (asked.engineId = 'ENGINE:B'),
      why: /started again meanwhile/,
    },
    'an answer through a proxy': {
      first: ({ asked }) => (asked.process = undefined),
      why: /cannot be told which process/,
    },
    'an engine that starts': {
      first: ({ asked }) => (asked.upMs = 59_999),
      why: /has run for 59 s only/,
    },
    'a network that it lists now': {
      between: ({ asked, calls }) => asked.networkNames.set(calls.ids(5).networkId, 'five'),
      why: /^nothing$/,
    },
    'a network that a stopped container is connected to': {
      first: ({ asked, calls }) => asked.add('c'.repeat(64), 'web', [calls.ids(5).networkId]),
      why: /^nothing$/,
    },
    'something on its bridge': {
      first: async (all) => {
        const names = { host: 'vethx', container: 'vethy' } as VethNames;
        const bridge = bridgeOf(all, 5) as InterfaceName;
        const rest = { mtu: undefined, hairpin: false, mac: undefined };
        await all.host.links.create({
          kind: 'veth',
          names,
          bridge,
          ...rest,
        } as unknown as LinkSpec);
      },
      why: /vethx is on its bridge/,
    },
    'an endpoint that comes meanwhile': {
      between: async ({ calls }) => void (await calls.driver.createEndpoint(calls.endpoint(5))),
      why: /made or used a moment ago/,
    },
    'an engine that starts again before the removal': {
      between: ({ asked }) => {
        let questions = 0;
        asked.before = (method) => {
          if (method === 'identity' && ++questions === 2) asked.process = otherProcess;
        };
      },
      why: /started again meanwhile/,
    },
  };
  for (const [what, { first, between, why }] of Object.entries(cases)) {
    const all = await setUp();
    await first?.(all);
    const before = () => stateOf(all.host).links.includes(bridgeOf(all, 5));
    const told = await collect(all, false, () => void between?.(all)).then(
      ({ kept }) => kept.join() || 'nothing',
      (error) => String(error),
    );
    await all.calls.world.removals.idle();
    t.match(told, why, what);
    t.ok(before(), `${what}: it stays`);
  }
});

t.test('whose a network is', async (t) => {
  for (const [what, madeBy] of [
    ['made by an earlier version', 'nobody'],
    ['made by another engine', otherProcess],
  ] as const) {
    const all = await setUp(madeBy);
    const { networks, kept } = await collect(all);
    t.strictSame(networks, [], what);
    t.match(kept, [/whether it is of this engine is not known/]);
  }

  const all = await setUp();
  await collect(all, true);
  all.asked.process = otherProcess;
  const again = { ...all, forgotten: all.make() };
  again.forgotten.start();
  t.strictSame((await collect(again)).networks, [bridgeOf(all, 5)], 'after restarts of both');
  again.forgotten.stop();

  const listed = await setUp('nobody');
  listed.asked.networkNames.set(listed.calls.ids(5).networkId, 'five');
  await collect(listed);
  listed.asked.networkNames.clear();
  listed.asked.engineId = 'ENGINE:B';
  const { networks } = await collect(listed);
  t.strictSame(networks, [], 'the other engine has listed it');
  listed.asked.engineId = 'ENGINE:A';
  t.equal((await collect(listed)).networks.length, 2);

  const broken = await setUp();
  broken.file.saved = { processes: 7 };
  broken.file.save = async () => {
    throw new Error('ENOSPC');
  };
  broken.forgotten.start();
  t.strictSame((await collect(broken)).networks, [bridgeOf(broken, 5)], 'without the file');
  broken.forgotten.stop();
  t.ok(broken.host.logged.some(({ message }) => /could not be read/.test(message)));
  t.ok(broken.host.logged.some(({ message }) => /could not be written/.test(message)));
});

t.test('by itself, after an hour in which the same engine has not listed it', async (t) => {
  const all = await setUp(engineProcess, 60 * minute);
  const isThere = () => stateOf(all.host).links.includes(bridgeOf(all, 5));
  all.forgotten.start();
  await all.clock.pass(30 * minute);
  t.match(all.forgotten.suspects(), [{ kind: 'network', forSeconds: 1800 }]);
  all.asked.process = otherProcess;
  await all.clock.pass(59 * minute);
  all.asked.silence = 'EOF';
  await all.clock.pass(10 * minute);
  t.ok(isThere(), 'time begins anew with a new process, and silence removes nothing');
  all.asked.silence = undefined;
  await all.clock.pass(2 * minute);
  await all.calls.world.removals.idle();
  t.notOk(isThere());
  t.strictSame(all.forgotten.suspects(), []);
  const bridge = bridgeOf(all, 5);
  t.strictSame(
    all.host.told.filter(({ kind }) => kind === 'collected'),
    [{ kind: 'collected', count: 1, first: [`network ${bridge.slice(3)} (${bridge})`] }],
  );
  all.forgotten.stop();

  const never = await setUp(engineProcess, 'off');
  never.forgotten.start();
  await never.clock.pass(600 * minute);
  t.equal(never.forgotten.suspects()[0]?.forSeconds, 36_000);
  t.ok(stateOf(never.host).links.includes(bridgeOf(never, 5)), 'switched off');
  never.forgotten.stop();
  await never.clock.pass(10 * minute);
  t.equal(never.clock.pending, 0);
});
