/** Reads the pools that IPAM has given a network: subnet, bridge address and containers' gateway of a family. */
import {
  type Cidr,
  cidrText,
  contains,
  type Family,
  type IpAddress,
  networkOf,
  overlaps,
  parseCidr,
  sameCidr,
} from '../address.js';
import type { NetworkFamily } from '../network/network.js';
import { type Problems, show } from '../problems.js';
import type { IpamPool } from './input.js';
import { optionOf } from './option-reader.js';

/** Addresses that no network may use (docs/docker-bridge.md 4.1). */
const multicast: Readonly<Record<Family, Cidr | undefined>> = {
  4: parseCidr('224.0.0.0/4'),
  6: parseCidr('ff00::/8'),
};
/** The link-local network of every IPv6 interface: a subnet may be equal to it, but not overlap it otherwise. */
const linkLocal = parseCidr('fe80::/64');

/** Settings of the family that are not in the pools. */
export type FamilySettings = Pick<NetworkFamily, 'family' | 'hostAddress' | 'gatewayMode'> & {
  readonly internal: boolean;
};

/**
 * One family of a network from its pools. undefined if there is no usable pool, which is a problem
 * too. The subnet is that of the gateway's prefix, as in Docker; a network without gateway (none
 * reserved by IPAM) has that of its pool and no bridge address.
 */
export function readPools(
  pools: readonly IpamPool[],
  settings: FamilySettings,
  problems: Problems,
): NetworkFamily | undefined {
  const { internal, ...rest } = settings;
  const { family } = settings;
  const [data] = pools;
  if (pools.length > 1) {
    const listed = pools.map((each) => show(each.pool)).join(', ');
    problems.add(`bridge driver doesn't support multiple subnets: give one of ${listed}`);
  }
  const pool = readPool(data?.pool, family, problems);
  if (data === undefined || pool === undefined) return undefined;
  const bridgeAddress = readGateway(data.gateway, pool, family, problems);
  const subnet = networkOf(bridgeAddress ?? pool);
  refuseSubnet(subnet, problems);
  const auxiliary = readDefaultGateway(data, subnet, internal, problems);
  const containerGateway = internal ? undefined : (auxiliary ?? bridgeAddress?.address);
  return { ...rest, subnet, bridgeAddress, containerGateway };
}

function readPool(text: string | undefined, family: Family, problems: Problems): Cidr | undefined {
  const pool = parseCidr(text ?? '');
  if (text === undefined || text === '' || (pool !== undefined && pool.prefixLength === 0)) {
    problems.add(
      `ipv${family} pool is empty: give the network a subnet with --subnet (an IPAM driver such ` +
        'as null, which hands out none, cannot be used)',
    );
    return undefined;
  }
  if (pool?.family === family) return pool;
  problems.add(`invalid IPv${family} pool ${show(text)}: not an IPv${family} ADDRESS/PREFIX`);
  return undefined;
}

function readGateway(
  text: string | undefined,
  pool: Cidr,
  family: Family,
  problems: Problems,
): Cidr | undefined {
  if (text === undefined || text === '') return undefined;
  const gateway = parseCidr(text);
  if (gateway?.family !== family) {
    problems.add(`invalid IPv${family} gateway ${show(text)}: not an IPv${family} ADDRESS/PREFIX`);
    return undefined;
  }
  if (contains(pool, gateway.address)) return gateway;
  problems.add(`gateway ${cidrText(gateway)} is not in the pool ${cidrText(pool)}`);
  return undefined;
}

function refuseSubnet(subnet: Cidr, problems: Problems): void {
  const text = cidrText(subnet);
  const reserved = multicast[subnet.family];
  if (reserved !== undefined && overlaps(subnet, reserved)) {
    problems.add(`multicast subnet '${text}' is not allowed`);
  }
  if (linkLocal !== undefined && overlaps(subnet, linkLocal) && !sameCidr(subnet, linkLocal)) {
    problems.add(`'${text}' clashes with the Link-Local prefix '${cidrText(linkLocal)}'`);
  }
}

/** `--aux-address DefaultGatewayIPv4=…`: another host of the subnet is the containers' gateway. */
function readDefaultGateway(
  data: IpamPool,
  subnet: Cidr,
  internal: boolean,
  problems: Problems,
): IpAddress | undefined {
  const name = `DefaultGatewayIPv${subnet.family}`;
  const text = optionOf(data.auxAddresses ?? {}, name);
  if (text === undefined || text === '') return undefined;
  // IPAM gives it the pool's prefix; the prefix has no meaning for a gateway.
  const address = parseCidr(String(text))?.address;
  if (address === undefined) {
    problems.add(`invalid auxiliary address ${name}=${show(text)}: not an ADDRESS/PREFIX`);
  } else if (internal) {
    problems.add(`no gateway can be set on an internal bridge network: leave out ${name}`);
  } else if (!contains(subnet, address)) {
    problems.add(
      `default gateway ip must be part of the network: ${name}=${address}, not in ${cidrText(subnet)}`,
    );
  } else {
    return address;
  }
  return undefined;
}
