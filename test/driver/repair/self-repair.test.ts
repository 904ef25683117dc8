/** A concern that is not one of the driver's: one object, and everything has it. */
import t from 'tap';
import { recover } from '../../../src/driver/recover.js';
import type { Concern, Occasion } from '../../../src/driver/repair/concerns/concern.js';
import { SelfRepair } from '../../../src/driver/repair/self-repair.js';
import type { Sign, Signs } from '../../../src/driver/repair/signs.js';
import type { NetworkState } from '../../../src/driver/state/registry.js';
import { HostOperator } from '../../../src/operator/status.js';
import { FakeClock } from '../../fakes/fake-clock.js';
import { makeHost } from '../../fakes/fake-host.js';

/** Traffic limits, say: of a link, and looked at once a second. */
class FakeConcern implements Concern {
  readonly name = 'limits';
  readonly signs = ['links'] as const;
  right = true;
  fails = false;
  readonly repaired: Occasion[] = [];
  readonly links: Signs['links'][] = [];
  readonly poll = { intervalMs: 1_000, differs: async () => !this.right };

  async differences(): Promise<string[]> {
    return this.right ? [] : ['limit br-a to 10 Mbit/s'];
  }

  async repair(occasion: Occasion, { links }: Signs): Promise<string[] | 'too-early'> {
    this.repaired.push(occasion);
    this.links.push(links);
    if (this.fails) throw new Error('EPERM');
    if (occasion === 'busy') return 'too-early';
    const done = await this.differences();
    this.right = true;
    return done;
  }
}

function start() {
  const host = makeHost();
  const { world } = host.boot();
  const limits = new FakeConcern();
  const clock = new FakeClock();
  const told: Sign['kind'][] = [];
  const listener = { noticed: ({ kind }: Sign) => told.push(kind), stop: () => told.push('start') };
  // A network of ours has this bridge, and there is no other.
  world.registry.ownerOf = (link) => (link === 'br-a' ? ({} as NetworkState) : undefined);
  const repairs = new SelfRepair([limits], world, [listener], clock);
  return { host, world, limits, clock, told, repairs };
}

t.test(
  'a new concern is put right at a start, and on demand, and is part of the status',
  async (t) => {
    const { world, limits, repairs } = start();
    limits.right = false;
    await recover(world, undefined, [limits]);
    t.strictSame(limits.repaired, ['start']);
    t.strictSame(limits.links, ['any']);
    limits.right = false;
    const facts = async () =>
      ({ version: '1', iptables: 'nft', ip6tables: 'off', proxy: null, problems: [] }) as never;
    const operator = new HostOperator(world, () => repairs.status(), facts, Promise.resolve(), [
      limits,
    ]);
    await Promise.resolve();
    const planned = { limits: ['limit br-a to 10 Mbit/s'] };
    t.match(await operator.status(), {
      drift: { count: 1, first: planned.limits },
      repairs: { limits: { repairs: {}, steppedBack: false } },
    });
    t.match(await operator.reconcile(true), { dryRun: true, changes: planned });
    t.equal(limits.right, false, 'a dry run changes nothing');
    t.match(await operator.reconcile(false), { dryRun: false, changes: planned });
    t.strictSame(limits.repaired, ['start', 'request']);
    t.match(await operator.status(), { drift: { count: 0 } });
  },
);

t.test('a new concern is repaired after its own signs, once it is quiet', async (t) => {
  const { host, limits, clock, told, repairs } = start();
  limits.right = false;
  repairs.noticed({ kind: 'link', name: 'br-a' });
  await clock.pass(5_000);
  t.strictSame(limits.repaired, [], 'not before the start');
  limits.right = true;
  repairs.start();
  for (const sign of [
    { kind: 'link', name: 'br-b' },
    { kind: 'rules', families: [4] },
  ] as const) {
    repairs.noticed(sign);
  }
  await clock.pass(900);
  t.strictSame(limits.repaired, [], 'signs of others are not for it');
  limits.right = false;
  repairs.noticed({ kind: 'link', name: 'br-a' });
  await clock.pass(1_500);
  t.strictSame(limits.repaired.slice(0, 2), ['busy', 'quiet']);
  t.strictSame(limits.links.slice(0, 2), [new Set(['br-a']), new Set(['br-a'])], 'the same again');
  t.match(host.logged.at(-1), { message: 'repaired limits that somebody else had changed' });
  t.strictSame(told, ['start', 'link', 'rules', 'link'], 'and listeners hear of each');
  repairs.stop();
  const count = limits.repaired.length;
  limits.right = false;
  repairs.noticed({ kind: 'link', name: 'br-a' });
  await clock.pass(5_000);
  t.equal(limits.repaired.length, count, 'not after the stop');
  t.equal(clock.pending, 0);
});

t.test(
  'what no sign tells of is found by looking, and a repair that fails is repeated',
  async (t) => {
    const { limits, clock, repairs } = start();
    repairs.start();
    await clock.pass(3_000);
    t.strictSame(limits.repaired, []);
    limits.right = false;
    limits.fails = true;
    await clock.pass(2_000);
    t.ok(limits.repaired.length > 0);
    t.equal(repairs.status().limits?.steppedBack, true);
    limits.fails = false;
    await clock.pass(10_000);
    t.equal(limits.right, true);
    t.equal(repairs.status().limits?.steppedBack, false);
    repairs.stop();
  },
);
