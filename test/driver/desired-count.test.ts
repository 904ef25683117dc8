/** How many rules should be there, as metrics tell it. */
import t from 'tap';
import { Engine } from '../fakes/engine-calls.js';
import { makeHost } from '../fakes/fake-host.js';

t.test('as many as calls have added, by table', async (t) => {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  const { driver, world } = engine;
  t.strictSame(await world.rules.countDesired(), [], 'without networks none are wanted');
  const inTables = () => {
    const counts = new Map<string, number>();
    for (const [chain, rules] of Object.entries(host.firewall.dump())) {
      const [table = ''] = chain.split(' ');
      if (rules.length > 0) counts.set(table, (counts.get(table) ?? 0) + rules.length);
    }
    return counts;
  };
  const before = inTables();
  await driver.createNetwork(engine.network(5));
  await driver.createEndpoint(engine.endpoint(5));
  await driver.join(engine.ids(5), '/ns');
  await driver.publishPorts(engine.ids(5), engine.ports(8000, 8001));
  const now = inTables();
  const counted = await world.rules.countDesired();
  t.ok(counted.length > 1);
  for (const { family, table, count } of counted) {
    t.equal(family, 4);
    t.equal(count, (now.get(table) ?? 0) - (before.get(table) ?? 0), table);
  }
});
