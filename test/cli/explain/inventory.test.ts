/** The inventory of a bundle, which may come from a stranger: nothing that is needed may be missing. */
import t from 'tap';
import { inventoryIn } from '../../../src/cli/explain/bundle/inventory.js';

const network = { id: 'a', bridge: 'br-1', subnets: [] };
const port = {
  ...{ protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 80, containerIp: '172.20.0.2' },
  ...{ containerPort: 80, path: 'dnat', by: 'docker' },
};
const endpoint = { id: 'e', network: 'a', ipv4: '172.20.0.2/16', ipv6: null, ports: [port] };
const without = (value: object, key: string) =>
  Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));

t.test('a whole inventory is taken, and one that lacks something is refused', async (t) => {
  const whole = { networks: [network], endpoints: [endpoint] };
  t.equal(inventoryIn(whole), whole);
  for (const key of Object.keys(network)) {
    const forged = { ...whole, networks: [without(network, key)] };
    t.throws(() => inventoryIn(forged), new RegExp(`a network has no ${key}`));
  }
  for (const key of Object.keys(endpoint)) {
    const forged = { ...whole, endpoints: [without(endpoint, key)] };
    t.throws(() => inventoryIn(forged), new RegExp(`an? endpoint has no (list of )?${key}`));
  }
  for (const key of Object.keys(port)) {
    const forged = { ...whole, endpoints: [{ ...endpoint, ports: [without(port, key)] }] };
    t.throws(() => inventoryIn(forged), new RegExp(`a port has no ${key}`));
  }
  t.throws(() => inventoryIn({ ...whole, networks: [{ ...network, bridge: null }] }), /no bridge/);
  t.throws(() => inventoryIn({ networks: [] }), /no list of networks or endpoints/);
});
