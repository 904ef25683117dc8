/** Networks on bridges that others have made: used as they are, and left as they were. */
import { createHash } from 'node:crypto';
import t from 'tap';
import type { Cidr } from '../../src/core/address.js';
import { parseNetworkId } from '../../src/core/names.js';
import { recover } from '../../src/driver/recover.js';
import { CalledDriver } from '../fakes/called-driver.js';
import { type FakeHost, makeHost } from '../fakes/fake-host.js';

const id = (seed: string) => createHash('sha256').update(seed).digest('hex');
const networkId = id('a');
const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const parsed = { networkId: known(parseNetworkId(networkId)) };
const network = (number: number, network: string, options: Record<string, unknown> = {}) => ({
  networkId: network,
  options,
  ipv4Data: [{ pool: `10.${number}.0.0/24`, gateway: `10.${number}.0.1/24` }],
  ipv6Data: [],
});

async function start(host: FakeHost) {
  const { world } = host.boot();
  await recover(world);
  return { driver: new CalledDriver(world, Promise.resolve()) };
}

t.test("a bridge of the user's is used by a network and stays", async (t) => {
  const host = makeHost();
  const { driver } = await start(host);
  const found = { index: 3, name: 'br0', kind: 'bridge', up: true, mtu: 1500 };
  const rest = { master: undefined, hairpin: undefined };
  host.links.links.set('br0', { ...found, ...rest, addresses: [] });
  const named = { 'com.docker.network.generic': { 'com.docker.network.bridge.name': 'br0' } };
  await driver.createNetwork(network(5, networkId, named));
  t.equal(host.links.links.get('br0')?.addresses.length, 1);
  await driver.deleteNetwork(parsed.networkId);
  t.same(host.links.links.get('br0'), { ...found, ...rest, addresses: [] }, 'as it was');
});

t.test('a bridge that carries a NIC is used, with a warning and the way out', async (t) => {
  const found = { kind: 'bridge', up: true, mtu: 1500, hairpin: undefined, addresses: [] };
  const named = { 'com.docker.network.generic': { 'com.docker.network.bridge.name': 'br0' } };
  const warned = async (port: string | undefined, fault = false): Promise<string[]> => {
    const host = makeHost();
    const { driver } = await start(host);
    const links = host.links.links;
    links.set('br0', { ...found, index: 3, name: 'br0', master: undefined });
    links.set('eth0', { ...found, index: 4, name: 'eth0', kind: port, master: 3 });
    if (fault) host.faults.plan('links.portsOf', 'boom');
    await driver.createNetwork(network(5, networkId, named));
    await new Promise((resolve) => setImmediate(resolve));
    return host.logged.map(({ message }) => message).filter((line) => line.includes('eth0'));
  };
  t.match(await warned(undefined), [/^br0 carries eth0: .*tsbridge.bridge=unmanaged/]);
  t.strictSame(await warned('veth'), []);
  t.strictSame(await warned(undefined, true), [], 'what cannot be read fails no network');
});

t.test("a bridge of the user's keeps its addresses and its MTU", async (t) => {
  const own = { family: 4, address: '10.9.0.1', prefixLength: 16 } as Cidr;
  const found = { index: 3, name: 'br0', kind: 'bridge', up: false, mtu: 9000 };
  const link = { ...found, master: undefined, hairpin: undefined, addresses: [own] };
  const bridge = 'com.docker.network.bridge.name';
  const named = (name: string, mtu = '1400') => ({
    'com.docker.network.generic': { [bridge]: name, 'com.docker.network.driver.mtu': mtu },
  });
  for (const step of ['links.change', 'links.addAddress', 'sysctls.write', 'store.write']) {
    const host = makeHost();
    const { driver } = await start(host);
    host.links.links.set('br0', link);
    host.faults.plan(step, 'boom');
    await t.rejects(driver.createNetwork(network(5, networkId, named('br0'))), /boom/, step);
    t.same(host.links.links.get('br0'), link, `as it was: ${step}`);
    await driver.createNetwork(network(5, networkId, named('br0')));
    t.equal(host.links.links.get('br0')?.addresses.length, 2, step);
    await driver.deleteNetwork(parsed.networkId);
    t.same(host.links.links.get('br0')?.addresses, [own], step);
  }
});

t.test('a name that is refused leaves the rules of its bridge alone', async (t) => {
  const host = makeHost();
  const { driver } = await start(host);
  await driver.createNetwork(network(7, id('f')));
  const found = { index: 3, kind: 'bridge', up: true, mtu: 1500, addresses: [] };
  const rest = { master: undefined, hairpin: undefined };
  for (const name of ['docker0', 'br-0123456789ab']) {
    host.links.links.set(name, { ...found, ...rest, name });
    const chains = host.firewall.tables(4).get('filter');
    chains?.get('DOCKER')?.rules.push(`-i ${name} -j RETURN`, `! -i ${name} -o ${name} -j DROP`);
    const before = host.firewall.dump();
    const named = { 'com.docker.network.generic': { 'com.docker.network.bridge.name': name } };
    await t.rejects(driver.createNetwork(network(5, networkId, named)), {
      code: 'network-conflict',
      message: /conflicts with network (bridge|0123456789ab) .*networks have same bridge name/,
    });
    t.same(host.firewall.dump(), before, name);
  }
});
