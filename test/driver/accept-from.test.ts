/** `tsbridge.accept_from` and the other networks of the host: from the calls to the rules. */
import t from 'tap';
import { repairRules } from '../../src/driver/repair/concerns/rules.js';
import { makeHost, stateOf } from '../fakes/fake-host.js';
import { endpoint, id, ids, network, networkId, start } from '../fakes/one-container.js';

const generic = 'com.docker.network.generic';
const bridge = 'com.docker.network.bridge.name';
const open = { [generic]: { [bridge]: 'br-x', 'tsbridge.accept_from': '10.0.0.0/8' } };
const named = (name: string) => ({ [generic]: { [bridge]: name } });

/** Where the engine's networks are seen, and the tables in which a packet is accepted, or kept out. */
const cases = [
  { generation: 'docker17', networks: 'FORWARD', tables: ['filter'] },
  { generation: 'docker20', networks: 'FORWARD', tables: ['filter'] },
  { generation: 'docker28', networks: 'DOCKER-BRIDGE', tables: ['raw', 'filter'] },
  { generation: 'docker29', networks: 'DOCKER-BRIDGE', tables: ['raw', 'filter'] },
] as const;

for (const { generation, networks, tables } of cases) {
  t.test(
    `${generation}: every other network of the host is kept out, for as long as it is there`,
    async (t) => {
      const host = makeHost();
      const { driver, world } = await start(host, generation);
      const kept = () =>
        (host.firewall.dump()['filter TSBRIDGE-ACCEPT'] ?? []).map((text) => text.split(' ')[1]);
      const first = () => host.firewall.dump()[`${tables[0]} TSBRIDGE-ACCEPT`];
      await driver.createNetwork(network(6, id('y'), named('br-y')));
      const before = stateOf(host);
      const rules = host.firewall.dump();
      await driver.createNetwork(network(5, networkId, open));
      await driver.createEndpoint(endpoint());
      t.same(kept().sort(), ['ACCEPT', 'br-x', 'br-y']);
      t.same(first()?.at(-1), '-j ACCEPT', 'below all of them');
      await driver.createNetwork(network(7, id('z'), named('br-z')));
      t.same(kept().sort(), ['ACCEPT', 'br-x', 'br-y', 'br-z'], 'also one that comes later');
      t.strictSame(await repairRules(world, 'dry-run'), []);

      const builtIn = (op: string) =>
        host.firewall.restore(4, `*filter\n${op} ${networks} -o docker0 -j DOCKER\nCOMMIT\n`);
      await builtIn('-A');
      t.match((await repairRules(world)).join('\n'), /docker0/);
      t.same(
        kept().sort(),
        ['ACCEPT', 'br-x', 'br-y', 'br-z', 'docker0'],
        'and that of another driver',
      );
      await builtIn('-D');
      await repairRules(world);
      t.same(kept().sort(), ['ACCEPT', 'br-x', 'br-y', 'br-z']);

      await driver.deleteNetwork(ids(id('z')).networkId);
      t.same(kept().sort(), ['ACCEPT', 'br-x', 'br-y']);
      await driver.createNetwork(
        network(8, id('w'), { [generic]: { ...open[generic], [bridge]: 'br-w' } }),
      );
      await driver.deleteEndpoint(ids());
      await driver.deleteNetwork(ids().networkId);
      t.same(kept().sort(), ['ACCEPT', 'br-w', 'br-y'], 'another one still needs them');
      await driver.deleteNetwork(ids(id('w')).networkId);
      await world.removals.idle();
      t.strictSame(host.firewall.dump(), rules, 'the last one takes them along');
      t.strictSame(stateOf(host), before);
    },
  );

  t.test(`${generation}: also one that has no rules of its own`, async (t) => {
    const host = makeHost();
    const { driver, world } = await start(host, generation);
    const kept = () =>
      tables.map((table) =>
        host.firewall
          .dump()
          [`${table} TSBRIDGE-ACCEPT`]?.map((text) => text.split(' ')[1])
          .sort(),
      );
    const bare = (name: string) => ({
      [generic]: { ...named(name)[generic], 'tsbridge.iptables': 'false' },
    });
    await driver.createNetwork(network(6, id('y'), bare('br-y')));
    t.strictSame(
      kept(),
      tables.map(() => undefined),
    );
    await driver.createNetwork(network(5, networkId, open));
    await driver.createNetwork(network(7, id('z'), bare('br-z')));
    const all = ['ACCEPT', 'br-x', 'br-y', 'br-z'];
    t.strictSame(
      kept(),
      tables.map(() => all),
      'one that was there before, and one that comes later',
    );
    t.strictSame(await repairRules(world, 'dry-run'), []);
    await driver.deleteNetwork(ids(id('z')).networkId);
    await driver.deleteNetwork(ids().networkId);
    await world.removals.idle();
    t.strictSame(
      kept(),
      tables.map(() => undefined),
      'nothing is left of it',
    );
  });

  t.test(`${generation}: nothing is left when all networks go at once`, async (t) => {
    const names = ['v', 'w', 'x', 'y', 'z'];
    for (const opening of [...names.map((name) => [name]), ['v', 'y', 'z']]) {
      const host = makeHost();
      const { driver, world } = await start(host, generation);
      await driver.createNetwork(network(4, id('b'), named('br-b')));
      const rules = host.firewall.dump();
      for (const [index, name] of names.entries()) {
        const options = {
          [generic]: {
            ...(opening.includes(name) ? open : named(''))[generic],
            [bridge]: `br-${name}`,
          },
        };
        await driver.createNetwork(network(5 + index, id(name), options));
      }
      await Promise.all(names.map((name) => driver.deleteNetwork(ids(id(name)).networkId)));
      await world.removals.idle();
      t.strictSame(host.firewall.dump(), rules, `${opening} accept`);
    }
  });

  t.test(
    `${generation}: rules that somebody flushed are whole again after a call and a repair`,
    async (t) => {
      const host = makeHost();
      const { driver, world } = await start(host, generation);
      await driver.createNetwork(network(5, networkId, open));
      const whole = host.firewall.dump();
      host.firewall.flushRuleset();
      await driver.createEndpoint(endpoint());
      await repairRules(world);
      await driver.deleteEndpoint(ids());
      await world.removals.idle();
      t.strictSame(host.firewall.dump(), whole);
    },
  );
}
