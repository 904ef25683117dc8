/** Where the host is connected, and addresses for simulated packets. */
import {
  addressBytes,
  addressFromBytes,
  type Cidr,
  contains,
  type Family,
  type IpAddress,
  networkOf,
  parseIp,
} from '../address.js';
import type { Link, Route } from './facts.js';

/** The interfaces of default routes, the best first. */
export function defaultDevices(
  routes: readonly Route[],
  family: Family,
  tables: 'main' | 'every table',
): string[] {
  const found = routes
    .filter(
      (route) =>
        route.family === family &&
        route.destination === undefined &&
        (tables === 'every table' || route.table === 'main'),
    )
    .sort((a, b) => a.metric - b.metric);
  return [...new Set(found.map(({ device }) => device))];
}

/** Names that `ip` has for the protocol numbers of routes by routing daemons (FRR, BIRD). */
const learned: ReadonlySet<string> = new Set(['bgp', 'ospf', 'isis', 'bird', 'babel', 'rip']);

/**
 * The interfaces by which packets from other networks may come and go: those of IPv4 default routes, and of IPv4 routes
 * that a routing daemon learned.
 */
export function outerDevices(routes: readonly Route[]): string[] {
  const ofDaemons = routes
    .filter(({ family, protocol }) => family === 4 && learned.has(protocol))
    .map(({ device }) => device);
  return [...new Set([...defaultDevices(routes, 4, 'every table'), ...ofDaemons])];
}

/** Addresses that are reserved for documentation (RFC 5737, RFC 3849): no host on the internet has them. */
const strangers: Readonly<Record<Family, readonly string[]>> = {
  4: ['198.51.100.77', '203.0.113.77', '192.0.2.77'],
  6: ['2001:db8:77::77', '2001:db8:99::77'],
};

/** An address in none of the networks that the host's links are in; undefined if the host is in all of those tried. */
export function stranger(links: readonly Link[], family: Family): IpAddress | undefined {
  const near = links.flatMap(({ addresses }) => addresses);
  return strangers[family]
    .map((text) => parseIp(text))
    .find((address) => address !== undefined && !near.some((cidr) => contains(cidr, address)));
}

/** Another address of the same network than the one given; undefined in a network that is too small. */
export function otherAddress(cidr: Cidr): IpAddress | undefined {
  for (let step = 2; step < 5; step += 1) {
    const bytes = addressBytes(networkOf(cidr).address);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) + step;
    const address = addressFromBytes(bytes);
    if (address !== cidr.address && contains(cidr, address)) return address;
  }
  return undefined;
}
