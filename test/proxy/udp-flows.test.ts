/** Which UDP flow goes when there are as many as there may be. */
import t from 'tap';
import {
  type Flow,
  type FlowsOfOwner,
  flowPorts,
  UdpFlows,
} from '../../src/proxy/process/udp-flows.js';

/** Flows with names; `ended` has those that were ended, in order. */
function setUp(limit: number) {
  const flows = new UdpFlows(() => limit, 1e9);
  const ended: string[] = [];
  const begin = (owner: FlowsOfOwner, name: string): Flow => {
    const flow = { lastUsed: performance.now(), end: () => ended.push(name) };
    flows.makeRoom(owner);
    flows.add(owner, flow);
    return flow;
  };
  return { flows, ended, begin };
}
const owner = (): FlowsOfOwner => new Set();

t.test('the flow that has been silent longest goes first', async (t) => {
  const { flows, ended, begin } = setUp(3);
  const one = owner();
  const first = begin(one, 'first');
  for (const name of ['second', 'third']) begin(one, name);
  flows.use(one, first);
  begin(one, 'fourth');
  begin(one, 'fifth');
  t.same(ended, ['second', 'third']);
  t.equal(flows.count, 3);
});

t.test('a flooded container takes from itself, and gives way to others', async (t) => {
  const { flows, ended, begin } = setUp(10);
  const [flooded, quiet, late] = [owner(), owner(), owner()];
  for (const name of ['q1', 'q2']) begin(quiet, name);
  for (let index = 0; index < 100; index += 1) begin(flooded, `f${index}`);
  t.equal(quiet.size, 2, 'what others have stays');
  for (const name of ['l1', 'l2', 'l3']) begin(late, name);
  t.same([flooded.size, quiet.size, late.size], [5, 2, 3], 'who has most gives way');
  for (let index = 0; index < 100; index += 1) begin(late, `l${index}`);
  t.same([flooded.size, quiet.size, late.size].toSorted(), [2, 4, 4], 'two floods share the rest');
  t.notOk(ended.some((name) => name.startsWith('q')));
  t.equal(flows.count, 10);
});

t.test(
  'a limit that has become smaller is kept to, and an empty list has nothing to end',
  async (t) => {
    let limit = 5;
    const flows = new UdpFlows(() => limit, 1e9);
    const [one, other] = [owner(), owner()];
    t.notOk(flows.endOne(one));
    const add = (): void => {
      flows.makeRoom(one);
      flows.add(one, { lastUsed: 0, end: () => undefined });
    };
    for (let index = 0; index < 5; index += 1) add();
    limit = 2;
    add();
    t.equal(flows.count, 2);
    t.ok(flows.endOne(other), 'in place of the other container’s');
    const [last] = one;
    if (last !== undefined) flows.remove(one, last);
    if (last !== undefined) flows.remove(one, last);
    t.equal(flows.count, 0, 'a flow is removed once');
  },
);

t.test('a quarter of the ephemeral ports are for flows', async (t) => {
  t.equal(flowPorts({ first: 32_768, last: 60_999 }), 7_058);
  t.equal(flowPorts({ first: 40_000, last: 40_001 }), 1, 'one in any case');
});
