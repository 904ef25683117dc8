/**
 * A repair and a call at the same time, in many orders of what they do to the host. Whatever the order: after
 * both, the host has what it has if one comes after the other, and no published port was without its rule in
 * between.
 */
import fc from 'fast-check';
import t from 'tap';
import type { GenerationName } from '../../../src/core/generations/generation.js';
import { repairRules } from '../../../src/driver/repair/concerns/rules.js';
import { Engine } from '../../fakes/engine-calls.js';
import { startEngine } from '../../fakes/engine-starts.js';
import { type FakeHost, type Interpose, makeHost, stateOf } from '../../fakes/fake-host.js';

/** Effects that take their time: the scheduler decides which comes next. */
const effects = new Set(
  [
    'read restore commit open close write remove create change find list',
    'addAddress removeAddress removeUdpFlowsTo removeUdpFlowsAt removeFlowsOf pauseUdp resumeUdp',
  ].flatMap((names) => names.split(' ')),
);

/** Two containers of one network, 10.5.0.2 and 10.5.0.3; the second publishes 8083 and is not touched. */
class Host {
  readonly host: FakeHost = makeHost();
  readonly engine = new Engine(this.host);
  /** Rules of ports that are published, as long as they are. */
  readonly published = new Set<string>();
  readonly lost: string[] = [];
  scheduler: fc.Scheduler | undefined;

  readonly #interpose: Interpose = (name, part) =>
    new Proxy(part, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        if (!effects.has(String(key))) return value.bind(target);
        return async (...args: unknown[]) => {
          await this.scheduler?.schedule(Promise.resolve(), `${name}.${String(key)}`);
          const result = await Reflect.apply(value, target, args);
          if (name === 'firewall') this.#look();
          return result;
        };
      },
    });

  #look(): void {
    const there = this.host.firewall.rules('nat', 'DOCKER').join('\n');
    for (const rule of this.published) if (!there.includes(rule)) this.lost.push(rule);
  }

  async start(generation: GenerationName | 'auto'): Promise<void> {
    const { engine } = this;
    if (generation === 'auto') await startEngine(this.host, 'docker20');
    await engine.start(this.#interpose, generation);
    await engine.driver.createNetwork(engine.network(5));
    await this.connect(3);
    await this.publish(3, 8083);
  }

  async connect(host: number): Promise<void> {
    const { driver } = this.engine;
    await driver.createEndpoint(this.engine.endpoint(5, '', host));
    await driver.join(this.engine.ids(5, '', host), `/ns/${host}`);
  }

  async publish(host: number, port: number): Promise<void> {
    const { driver } = this.engine;
    await driver.publishPorts(this.engine.ids(5, '', host), this.engine.ports(port));
    this.published.add(`--dport ${port} -j DNAT --to-destination 10.5.0.${host}:80`);
  }

  withdraw(port: number): void {
    for (const rule of this.published) if (rule.includes(` ${port} `)) this.published.delete(rule);
  }

  /** Its rules, not in order: where they stand depends on which came first. */
  state() {
    const { rules, ...rest } = stateOf(this.host);
    const sorted = Object.entries(rules).map(([chain, texts]) => [chain, [...texts].sort()]);
    return { ...rest, rules: Object.fromEntries(sorted) };
  }
}

interface Scenario {
  prepare?(host: Host): Promise<void>;
  call(host: Host): Promise<void>;
}

const published = async (host: Host): Promise<void> => {
  await host.connect(2);
  await host.publish(2, 8082);
};
const scenarios: Readonly<Record<string, Scenario>> = {
  'ports are published': {
    prepare: (host) => host.connect(2),
    call: (host) => host.publish(2, 8082),
  },
  'ports are published anew': {
    prepare: published,
    call: async (host) => {
      host.withdraw(8082);
      await host.publish(2, 8082);
    },
  },
  'ports are revoked': {
    prepare: published,
    call: async (host) => {
      host.withdraw(8082);
      await host.engine.driver.revokePorts(host.engine.ids(5));
    },
  },
  'a container starts': {
    call: async (host) => {
      await host.connect(2);
      await host.publish(2, 8082);
    },
  },
  'a container ends': {
    prepare: published,
    call: async (host) => {
      host.withdraw(8082);
      await host.engine.driver.leave(host.engine.ids(5));
      await host.engine.driver.deleteEndpoint(host.engine.ids(5));
    },
  },
  'a network is made': {
    call: (host) => host.engine.driver.createNetwork(host.engine.network(6)),
  },
  'a network is removed': {
    prepare: (host) => host.engine.driver.createNetwork(host.engine.network(6)),
    call: (host) => host.engine.driver.deleteNetwork(host.engine.ids(6).networkId),
  },
};

/** What another program has done before the repair. */
const disturbances = {
  'nothing was changed': async () => {},
  'rules of an earlier port lead to the same container': async ({ host }: Host) => {
    const bridge = /br-\S+/.exec(host.firewall.rules('nat', 'DOCKER').join())?.[0];
    const port = `! -i ${bridge} -p tcp -m tcp`;
    const accept = `-d 10.5.0.2/32 ! -i ${bridge} -o ${bridge} -p tcp -m tcp --dport 80 -j ACCEPT`;
    await host.firewall.restore(
      4,
      [
        `*nat\n-A DOCKER ${port} --dport 8081 -j DNAT --to-destination 10.5.0.2:80`,
        `-A DOCKER ${port} --dport 8082 -j DNAT --to-destination 10.5.0.2:80\nCOMMIT`,
        `*filter\n-A DOCKER ${accept}\nCOMMIT\n`,
      ].join('\n'),
    );
  },
  'the engine was updated': ({ host }: Host) => startEngine(host, 'docker28'),
} as const;

const removed = (host: Host) => host.engine.world.removals.idle();

/** One after the other. */
async function inOrder(
  scenario: Scenario,
  disturb: (host: Host) => Promise<void>,
  generation: GenerationName | 'auto',
) {
  const host = new Host();
  await host.start(generation);
  await scenario.prepare?.(host);
  await disturb(host);
  await scenario.call(host);
  await repairRules(host.engine.world, 'running');
  await removed(host);
  return host.state();
}

for (const [change, disturb] of Object.entries(disturbances)) {
  const moves = disturb === disturbances['the engine was updated'];
  for (const [what, scenario] of Object.entries(scenarios)) {
    const title = `${change}, and ${what} while a repair runs: both come to what they ask for`;
    t.test(title, async (t) => {
      const generation = moves ? 'auto' : 'docker20';
      const expected = await inOrder(scenario, disturb, generation);
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), fc.boolean(), async (scheduler, dryRunFirst) => {
          const host = new Host();
          await host.start(generation);
          await scenario.prepare?.(host);
          await disturb(host);
          // As `tsbridge status` asks: it sees the update, and moves nothing.
          if (dryRunFirst) await repairRules(host.engine.world, 'dry-run');
          host.scheduler = scheduler;
          const both = Promise.all([
            scenario.call(host),
            repairRules(host.engine.world, 'running').then(() =>
              repairRules(host.engine.world, 'running'),
            ),
          ]);
          await scheduler.waitFor(both.then(() => removed(host)));
          host.scheduler = undefined;
          await scheduler.waitIdle();
          if (!moves) t.same(host.lost, []);
          t.same(await repairRules(host.engine.world, 'dry-run'), []);
          t.same(host.state(), expected);
          if (!t.passing()) throw new Error('not the same');
        }),
        { numRuns: moves ? 25 : 10, seed: 11 },
      );
    });
  }
}
