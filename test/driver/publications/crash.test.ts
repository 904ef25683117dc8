/** The daemon dies before and after every effect of an operator's call, and of a stop with ports of an operator. */
import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { repairRules } from '../../../src/driver/repair/concerns/rules.js';
import { stateOf } from '../../fakes/fake-host.js';
import { OperatedHost } from '../../fakes/operator.js';
import { Killer } from '../../process/killer.js';

type Step = readonly [string, (host: OperatedHost) => Promise<unknown>];

const ports = ['9000:80', '9001-9002:53-54/udp'];
/** What happens, one after the other; the engine and the operator repeat what got no answer. */
const steps: readonly Step[] = [
  ['the operator publishes', (host) => host.publish('web', ports)],
  [
    'the engine publishes',
    (host) => host.engine.driver.publishPorts(ids(host), host.engine.ports(8000)),
  ],
  ['the engine revokes', (host) => host.engine.driver.revokePorts(ids(host))],
  [
    'the operator unpublishes one',
    (host) => host.unpublish('web', ['9000:80']).catch(ignoreUnknown),
  ],
  ['the container stops', (host) => host.stopContainer()],
  [
    'the container starts again',
    async (host) => {
      await host.startContainer('web', 2, 'again');
      await host.told();
    },
  ],
  ['the operator unpublishes all', (host) => host.unpublish('web')],
];

const ids = ({ engine }: OperatedHost, start = '') => ({
  networkId: engine.ids(5).networkId,
  endpointId: engine.ids(5, start).endpointId,
});

function ignoreUnknown(error: { code?: string }): void {
  if (error.code !== 'publication-unknown') throw error;
}

async function reached(count: number, interpose?: Killer['interpose']): Promise<OperatedHost> {
  const first = await new OperatedHost().start();
  await first.createNetwork();
  await first.startContainer('web');
  await first.told();
  for (const [, step] of steps.slice(0, count)) await step(first);
  return new OperatedHost(first.host, first.containers).start(interpose);
}

/** Rules and sockets; the names of records of publications are drawn at random. */
const shape = (host: OperatedHost) => {
  const { records, ...rest } = stateOf(host.host);
  return { ...rest, records: records.map((key) => key.replace(/^(publication) .*/, '$1')) };
};

for (const [index, [name, step]] of steps.entries()) {
  t.test(`${name}, and the daemon dies`, async (t) => {
    const wanted = shape(await reached(index + 1));
    const nothing = shape(await reached(steps.length));
    const wrong: unknown[] = [];
    const same = (found: unknown, expected: unknown, where: string) => {
      if (!isDeepStrictEqual(found, expected)) wrong.push({ where, found, expected });
    };
    let deaths = 0;
    for (const order of [0, 1]) {
      for (let effect = 1; ; effect += 1) {
        const killer = new Killer(effect, order);
        const dying = await reached(index, killer.interpose);
        killer.arm();
        const work = step(dying).then(() => dying.engine.world.removals.idle());
        if (!(await killer.kills(work))) break;
        deaths += 1;
        const where = `${killer.where}`;
        const next = await new OperatedHost(dying.host, dying.containers).start();
        await next.clock.pass(100);
        await next.engine.world.removals.idle();
        same(await repairRules(next.engine.world), [], `${where}: to repair after the start`);
        await step(next);
        await next.engine.world.removals.idle();
        same(shape(next), wanted, `${where}: repeated`);
        same(await repairRules(next.engine.world), [], `${where}: to repair`);
        for (const [, later] of steps.slice(index + 1)) await later(next);
        await next.engine.world.removals.idle();
        same(shape(next), nothing, `${where}: and then all goes`);
      }
    }
    t.ok(deaths > 0, `${deaths} deaths`);
    t.same(wrong, []);
  });
}
