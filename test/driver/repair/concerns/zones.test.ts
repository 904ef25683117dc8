/** Bridges come back into firewalld's zone, on a host in memory. */
import t from 'tap';
import { recover } from '../../../../src/driver/recover.js';
import { repairZones, repairZonesRunning } from '../../../../src/driver/repair/concerns/zones.js';
import { CalledDriver } from '../../../fakes/called-driver.js';
import { makeHost } from '../../../fakes/fake-host.js';
import { endpointIds } from '../../../fakes/ids.js';
import { bridge, endpointId, id, networkId } from '../../../fakes/one-container.js';
import { generic } from '../../../fakes/published-port.js';

t.test("a repair puts bridges back into firewalld's zone", async (t) => {
  const host = makeHost();
  host.zones.placed = new Set();
  const { world } = host.boot();
  await recover(world);
  const driver = new CalledDriver(world, Promise.resolve());
  const create = (seed: string, number: number, options: Record<string, unknown>) =>
    driver.createNetwork({
      networkId: id(seed),
      options: { [generic]: {}, ...options },
      ipv4Data: [{ pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` }],
      ipv6Data: [],
    });
  await create('a', 5, {});
  await create('b', 6, { 'com.docker.network.internal': true });
  t.strictSame([...host.zones.placed], [bridge], 'an internal one only from 28 on');
  t.strictSame(await repairZones(world, 'running'), []);

  host.zones.placed.clear();
  t.equal(await repairZonesRunning(world, false), 'too-early');
  const missing = [`put ${bridge} into the zone of firewalld`];
  t.strictSame(await repairZones(world, 'dry-run'), missing);
  t.equal(host.zones.placed.size, 0);
  t.strictSame(await repairZonesRunning(world, true), missing);
  t.strictSame([...host.zones.placed], [bridge]);

  const ids = endpointIds(networkId, endpointId);
  host.zones.placed.clear();
  const ask = host.zones.unplaced.bind(host.zones);
  host.zones.unplaced = async (bridges) => {
    host.zones.unplaced = ask;
    const absent = await ask(bridges);
    await driver.deleteNetwork(ids.networkId);
    return absent;
  };
  t.strictSame(await repairZones(world, 'running'), [], 'deleted while firewalld was asked');
  t.equal(host.zones.placed.size, 0);

  await create('a', 5, {});
  host.faults.plan('zones.remove', 'no such zone');
  await driver.deleteNetwork(ids.networkId);
  t.match(host.logged.at(-1), { level: 'warn', fields: { bridge } }, 'no reason to keep a network');
  await create('c', 7, {});
  host.faults.plan('zones.place', 'asking firewalld: no answer');
  await t.rejects(create('d', 8, {}), /asking firewalld: no answer/);
  t.equal(host.links.links.size, 2, 'it is undone');
});
