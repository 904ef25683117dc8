/** What could be taken for a stale rule of ours, and is another driver's: it stays. */
import t from 'tap';
import { repairRules } from '../../../src/driver/repair/concerns/rules.js';
import { Engine } from '../../fakes/engine-calls.js';
import { makeHost } from '../../fakes/fake-host.js';

/** A network 10.5.0.0/24 with a container that publishes UDP 8081 and TCP 8080. */
async function start(bridge?: string) {
  const host = makeHost();
  const engine = new Engine(host);
  await engine.start();
  if (bridge !== undefined) {
    await host.links.create({ kind: 'bridge', name: bridge, mac: undefined, mtu: 1500 } as never);
  }
  const labels = bridge === undefined ? {} : { 'com.docker.network.bridge.name': bridge };
  await engine.driver.createNetwork({
    ...engine.network(5),
    options: { 'com.docker.network.generic': labels },
  });
  await engine.driver.createEndpoint(engine.endpoint(5));
  await engine.driver.join(engine.ids(5), '/ns/1');
  await engine.driver.publishPorts(engine.ids(5), engine.ports(8080, 8081));
  const addBridge = (name: string, address: string): void => {
    const [first = '', second = ''] = address.split('/');
    const addresses = [{ family: 4, address: first, prefixLength: Number(second) }];
    host.links.links.set(name, { name, kind: 'bridge', index: 98, addresses } as never);
  };
  const add = (table: string, rule: string): Promise<void> =>
    host.firewall.restore(4, `*${table}\n-A DOCKER ${rule}\nCOMMIT\n`);
  const repaired = (): Promise<string[]> => repairRules(engine.world, 'running');
  return { host, engine, add, addBridge, repaired };
}

t.test('a translation that names no bridge is that of the bridge where it leads', async (t) => {
  const { host, add, addBridge, repaired } = await start();
  // As engines without userland proxy write it; UDP ports can be shared.
  const rule = '-p udp -m udp --dport 8081 -j DNAT --to-destination 172.17.0.9:53';
  await add('nat', rule);
  addBridge('docker0', '172.17.0.1/16');
  t.same(await repaired(), []);
  host.links.links.delete('docker0');
  t.same(await repaired(), [`delete nat DOCKER ${rule}`], 'it leads nowhere');
});

t.test(
  'a network that is being removed claims no rule of the next one with its subnet',
  async (t) => {
    const { host, engine, add, addBridge, repaired } = await start();
    host.firewall.failures.push('no', 'no', 'no', 'no', 'no', 'no');
    await t.rejects(engine.driver.deleteNetwork(engine.ids(5).networkId));
    host.firewall.failures.length = 0;
    await repaired();
    addBridge('br-next', '10.5.0.1/24');
    await add('nat', '-p tcp -m tcp --dport 8085 -j DNAT --to-destination 10.5.0.9:80');
    t.same(await repaired(), []);
  },
);

t.test("rules of another driver's network on a bridge of the user stay", async (t) => {
  const { add, repaired } = await start('br0');
  await add('filter', '! -i br0 -o br0 -j DROP');
  await add('nat', '! -i br0 -p tcp -m tcp --dport 8085 -j DNAT --to-destination 172.30.0.9:80');
  await add('filter', '-d 172.30.0.9/32 ! -i br0 -o br0 -p tcp -m tcp --dport 80 -j ACCEPT');
  t.same(await repaired(), []);
  const old = '! -i br0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.5.0.77:80';
  await add('nat', old);
  t.same(await repaired(), [`delete nat DOCKER ${old}`], 'what is about our subnet goes');
});
