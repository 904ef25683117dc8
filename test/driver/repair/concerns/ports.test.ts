/** Sockets of published ports that differ from what is wanted. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { parseEndpointId } from '../../../../src/core/names.js';
import { PortConcern } from '../../../../src/driver/repair/concerns/ports.js';
import { SelfRepair } from '../../../../src/driver/repair/self-repair.js';
import { FakeClock } from '../../../fakes/fake-clock.js';
import { makeHost } from '../../../fakes/fake-host.js';
import { makeBinding } from '../../../golden/golden.js';

const owner = parseEndpointId(createHash('sha256').update('a').digest('hex'));
const listener = {
  binding: makeBinding('0.0.0.0:8080', '10.5.0.2:80'),
  mode: 'forward' as const,
};

t.test(
  'a port that another program had at the start is taken when it is free, and counted',
  async (t) => {
    if (owner === undefined) throw new Error('no id');
    const host = makeHost();
    const { world } = host.boot();
    host.hostPorts.foreign.set('0.0.0.0:8080/tcp', 'EADDRINUSE');
    t.match(await world.hostPorts.sync(new Map([[owner, [listener]]])), [{ code: 'EADDRINUSE' }]);
    const concern = new PortConcern(world);
    t.same(await concern.repair('start'), [], 'a start has tried it');
    t.same(await concern.differences(), ['open socket 0.0.0.0:8080/tcp']);
    const clock = new FakeClock();
    const repairs = new SelfRepair([concern], world, [], clock);
    repairs.start();
    await clock.pass(60_000);
    t.equal(repairs.status().ports?.last, undefined, 'what could not be done is no repair');
    host.hostPorts.foreign.clear();
    await clock.pass(20_000);
    t.match(repairs.status().ports?.last, { count: 1, first: ['open socket 0.0.0.0:8080/tcp'] });
    t.same(await concern.differences(), []);
    repairs.stop();
  },
);

t.test('a proxy process that cannot be asked is asked again', async (t) => {
  const host = makeHost();
  const { world } = host.boot();
  const clock = new FakeClock();
  const repairs = new SelfRepair([new PortConcern(world)], world, [], clock);
  repairs.start();
  await clock.pass(1_000);
  host.faults.plan('hostPorts.differences', 'no answer');
  const before = host.faults.calls.length;
  await clock.pass(40_000);
  t.ok(host.faults.calls.length > before + 1);
  repairs.stop();
});
