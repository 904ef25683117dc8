/** Checks of what the engine and the proxy process may run out of. */
import { addressBytes, type Cidr, contains, networkOf } from '../../address.js';
import { check, shell, wholeHost } from '../check.js';
import type { AddressPool, FactParts } from '../facts.js';

/** There is a finding if fewer subnets than this are left. */
const fewest = 3;
/** There is a finding if this share of the files that a process may open is open. */
const nearly = 0.8;

function numberOf(address: Cidr['address']): number {
  return addressBytes(address).reduce((number, byte) => number * 256 + byte, 0);
}

/**
 * How many subnets of the pool overlap none of the `taken` networks. IPv4 only: the engine has no IPv6 pools by
 * default.
 */
export function freeSubnets({ base, size }: AddressPool, taken: readonly Cidr[]): number {
  const count = 2 ** (size - base.prefixLength);
  const each = 2 ** (32 - size);
  const start = numberOf(networkOf(base).address);
  const used = new Set<number>();
  for (const cidr of taken) {
    if (cidr.family !== 4) continue;
    if (cidr.prefixLength <= base.prefixLength) {
      if (contains(cidr, base.address)) return 0;
      continue;
    }
    if (!contains(base, cidr.address)) continue;
    const first = Math.floor((numberOf(networkOf(cidr).address) - start) / each);
    const subnets = Math.max(1, 2 ** (size - cidr.prefixLength));
    for (let at = first; at < first + subnets; at += 1) used.add(at);
  }
  return count - used.size;
}

/**
 * The networks that the records, the interfaces and the routes of the host use. Prefixes of 0 and 1 bits are left out:
 * they are default routes, which VPN programs write as two halves.
 */
function takenNetworks({
  records,
  links,
  routes,
}: Pick<FactParts, 'records' | 'links' | 'routes'>) {
  return [
    ...records.networks.flatMap(({ spec }) => spec.ipv4?.subnet ?? []),
    ...links.flatMap(({ addresses }) => addresses),
    ...routes.flatMap(({ destination }) => destination ?? []),
  ].filter(({ prefixLength }) => prefixLength > 1);
}

export const poolChecks = [
  check({
    code: 'pools-nearly-empty',
    severity: 'warning',
    detects:
      'The engine has few subnets left for networks that are made without --subnet (default-address-pools).',
    means:
      'When none is left, docker network create fails: “could not find an available, non-overlapping IPv4 address pool”.',
    remedy:
      'The command removes networks that nobody uses. More subnets: "default-address-pools": [{"base": "10.200.0.0/16", "size": 24}] in /etc/docker/daemon.json, and a restart of the engine.',
    needs: ['engine', 'records', 'links', 'routes'],
    find({ engine: { settings }, ...facts }) {
      if (settings === undefined) return [];
      const taken = takenNetworks(facts);
      const four = settings.pools.filter(({ base }) => base.family === 4);
      const free = four.reduce((sum, pool) => sum + freeSubnets(pool, taken), 0);
      if (free >= fewest) return [];
      const pools = four.map(
        ({ base, size }) => `${base.address}/${base.prefixLength} by /${size}`,
      );
      const evidence = `${free} subnets are left of ${pools.join(', ')}`;
      return [{ object: wholeHost, evidence, command: 'docker network prune' }];
    },
  }),
  check({
    code: 'proxy-files-nearly-used',
    severity: 'warning',
    detects: 'The process that holds published ports has 80 % of the files open that it may.',
    means: 'When it has all of them, it takes no more connections, and no port can be published.',
    remedy:
      'The command raises the limit of the running process. For good: LimitNOFILE= in a drop-in of tsbridge-proxy@.service.',
    needs: ['proxyFiles'],
    find: ({ proxyFiles }) =>
      proxyFiles
        .filter(({ open, most }) => open >= most * nearly)
        .map(({ pid, open, most }) => ({
          object: wholeHost,
          evidence: `process ${pid} has ${open} of ${most} files open`,
          command: shell`prlimit --pid ${pid} --nofile=${most * 4}`,
        })),
  }),
];
