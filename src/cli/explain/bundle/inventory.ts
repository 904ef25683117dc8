/** Reads the inventory of a bundle. The allow-list has checked the kinds of its values; this file checks that none is missing. */
import type { Inventory } from '../../../operator/inventory/inventory.js';
import { listIn, objectIn } from './archive.js';

const wanted = {
  network: { id: 'string', bridge: 'string' },
  endpoint: { id: 'string', network: 'string' },
  port: {
    ...{ protocol: 'string', hostIp: 'string', hostPort: 'number', containerIp: 'string' },
    ...{ containerPort: 'number', path: 'string', by: 'string' },
  },
} as const;
const articles = { network: 'a network', endpoint: 'an endpoint', port: 'a port' } as const;

/** @param value an inventory that has passed the allow-list @throws {TypeError} that says what is missing */
export function inventoryIn(value: unknown): Pick<Inventory, 'networks' | 'endpoints'> {
  const { networks, endpoints } = objectIn(value);
  for (const list of [networks, endpoints])
    if (!Array.isArray(list)) throw new TypeError('no list of networks or endpoints');
  for (const network of listIn(networks)) {
    check('network', network);
    if (!Array.isArray(objectIn(network).subnets)) throw new TypeError('a network has no subnets');
  }
  for (const endpoint of listIn(endpoints)) {
    check('endpoint', endpoint);
    const { ports, ...fields } = objectIn(endpoint);
    for (const family of ['ipv4', 'ipv6']) {
      const address = fields[family];
      // null: the endpoint has no address of the family.
      if (typeof address !== 'string' && address !== null)
        throw new TypeError(`an endpoint has no ${family}`);
    }
    if (!Array.isArray(ports)) throw new TypeError('an endpoint has no list of ports');
    for (const port of ports) check('port', port);
  }
  return value as Pick<Inventory, 'networks' | 'endpoints'>;
}

function check(what: keyof typeof wanted, value: unknown): void {
  const fields = objectIn(value);
  for (const [name, kind] of Object.entries(wanted[what])) {
    if (typeof fields[name] !== kind) throw new TypeError(`${articles[what]} has no ${name}`);
  }
}
