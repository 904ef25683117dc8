/**
 * Reads the words of a command line `tsbridge frr-config` as validated values, or tells everything that is wrong with
 * them.
 */
import {
  type Cidr,
  cidrText,
  contains,
  familyOf,
  type IpAddress,
  isUnspecified,
  overlaps,
  parseIp,
} from '../address.js';
import { type InterfaceName, parseInterfaceName } from '../names.js';
import { parsePrefix } from '../options/list-values.js';

export const protocols = ['bgp', 'ospf'] as const;
export type Protocol = (typeof protocols)[number];

export interface FrrWords {
  readonly protocol: Protocol;
  /** Autonomous system; of BGP only. */
  readonly as: number | undefined;
  /** Of OSPF only; absent: the backbone. */
  readonly area: string | undefined;
  /** Interfaces at which other routers are. */
  readonly interfaces: readonly string[];
  readonly pools: readonly string[];
  readonly hostRoutes: readonly string[];
  readonly routerId: string | undefined;
}

interface Common {
  readonly interfaces: readonly InterfaceName[];
  /** Ranges that subnets of this host's networks are taken from. */
  readonly pools: readonly Cidr[];
  /** Ranges within which prefixes lie behind containers (`tsbridge.host_routes`). */
  readonly hostRoutes: readonly Cidr[];
  /** Absent: FRR takes one of the host's addresses. */
  readonly routerId: IpAddress | undefined;
}

export interface BgpRequest extends Common {
  readonly protocol: 'bgp';
  readonly as: number;
}

export interface OspfRequest extends Common {
  readonly protocol: 'ospf';
  readonly area: string;
}

export type FrrRequest = BgpRequest | OspfRequest;

/** An address of this host, and the interface that has it. */
export interface HostAddress {
  readonly device: string;
  readonly cidr: Cidr;
}

/**
 * Numbers that no autonomous system may have: AS_TRANS (RFC 6793), and the last number of 16 and of 32 bits (RFC 7300).
 */
const reservedAs: ReadonlySet<number> = new Set([23_456, 65_535, 4_294_967_295]);

/**
 * Bits of the longest prefix that a subnet of a network has. A longer prefix within a pool is an address of a
 * container.
 */
export const longestSubnet = { 4: 30, 6: 126 } as const;

/** Names that FRR reads as they are: it splits its lines at spaces, and gives a meaning to `!`, `#`, `|` and `?`. */
const plainName = /^[A-Za-z0-9._@-]+$/;

/**
 * @param addresses of this host: an address on an interface to other routers must not be in a pool
 * @returns the request, or a sentence for each thing that is wrong
 */
export function readFrrRequest(
  words: FrrWords,
  addresses: readonly HostAddress[] = [],
): FrrRequest | readonly string[] {
  const problems: string[] = [];
  const pools = readPrefixes('--pool', words.pools, problems);
  const hostRoutes = readPrefixes('--host-routes', words.hostRoutes, problems);
  const interfaces = readInterfaces(words.interfaces, problems);
  const routerId = readRouterId(words.routerId, problems);
  if (words.pools.length === 0) {
    problems.push(
      '--pool is missing: name each range that subnets of this host are taken from, e.g. --pool 10.9.1.0/24 ' +
        '(dockerd has it as default-address-pools); it must be another one on each host',
    );
  }
  for (const pool of pools) {
    if (pool.prefixLength > longestSubnet[pool.family]) {
      problems.push(`--pool ${cidrText(pool)}: too small for a subnet; name the range it is from`);
    }
    for (const { device, cidr } of addresses) {
      if (!interfaces.some((name) => name === device) || !contains(pool, cidr.address)) continue;
      problems.push(
        `--pool ${cidrText(pool)} covers ${cidrText(cidr)} of ${device}, which is the way to the other hosts: ` +
          'its network would be announced as if it were behind this host; take a range of containers only',
      );
    }
    for (const range of hostRoutes.filter((each) => overlaps(each, pool))) {
      problems.push(
        `--host-routes ${cidrText(range)} overlaps --pool ${cidrText(pool)}: subnets of networks would be announced ` +
          'even with tsbridge.announce=none; name what lies behind containers only',
      );
    }
  }
  const common = { interfaces, pools, hostRoutes, routerId };
  const request = words.protocol === 'bgp' ? bgp(words, problems) : ospf(words, common, problems);
  return problems.length > 0 || request === undefined ? problems : { ...common, ...request };
}

function bgp(
  { as, area }: FrrWords,
  problems: string[],
): Pick<BgpRequest, 'protocol' | 'as'> | undefined {
  if (area !== undefined) problems.push('--area is of OSPF');
  if (as === undefined) {
    problems.push(
      '--as is missing: the number of this host, another one on each host, e.g. 65001 to 65534',
    );
    return undefined;
  }
  if (reservedAs.has(as)) problems.push(`--as ${as} is reserved: take e.g. 65001 to 65534`);
  return { protocol: 'bgp', as };
}

function ospf(
  { as, area = '0' }: FrrWords,
  { pools, hostRoutes }: Pick<Common, 'pools' | 'hostRoutes'>,
  problems: string[],
): Pick<OspfRequest, 'protocol' | 'area'> {
  if (as !== undefined) problems.push('--as is of BGP');
  const isNumber = /^\d{1,10}$/.test(area) && Number(area) <= 4_294_967_295;
  const address = parseIp(area);
  if (!isNumber && (address === undefined || familyOf(address) !== 4)) {
    problems.push(`--area ${area}: use a number or a dotted quad, e.g. 0`);
  }
  for (const cidr of [...pools, ...hostRoutes].filter(({ family }) => family === 6)) {
    problems.push(
      `${cidrText(cidr)}: OSPF, as it is printed here, carries IPv4 only; use bgp for IPv6`,
    );
  }
  return { protocol: 'ospf', area };
}

function readPrefixes(flag: string, texts: readonly string[], problems: string[]): Cidr[] {
  return [...new Set(texts)].flatMap((text) => {
    const cidr = parsePrefix(text);
    if ('reason' in cidr) {
      problems.push(`${flag} ${text}: ${cidr.reason}`);
      return [];
    }
    if (cidr.prefixLength > 0) return [cidr];
    problems.push(`${flag} ${text}: that is everything; name ranges of containers`);
    return [];
  });
}

function readInterfaces(texts: readonly string[], problems: string[]): InterfaceName[] {
  if (texts.length === 0) {
    problems.push(
      '--interface is missing, and no default route says which it is: name each one behind which another router is',
    );
  }
  return [...new Set(texts)].flatMap((text) => {
    const name = plainName.test(text) ? parseInterfaceName(text) : undefined;
    if (name !== undefined) return [name];
    problems.push(`--interface ${text}: not a name that FRR takes as it is`);
    return [];
  });
}

function readRouterId(text: string | undefined, problems: string[]): IpAddress | undefined {
  if (text === undefined) return undefined;
  const address = parseIp(text);
  if (address !== undefined && familyOf(address) === 4 && !isUnspecified(address)) return address;
  problems.push(`--router-id ${text}: use an IPv4 address that no other host has`);
  return undefined;
}
