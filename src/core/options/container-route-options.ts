/** Options of routes inside of a container: a network (for each of its containers) and an endpoint have the same ones. */
import { cidrText, contains, overlaps, parseIp } from '../address.js';
import type { ContainerRoute, Families } from '../network/network.js';
import type { Problems } from '../problems.js';
import { parsePrefix, type Refusal, readList, refusal } from './list-values.js';
import { type OptionMap, OptionReader } from './option-reader.js';

export const containerRouteOptions = {
  containerRoutes: 'tsbridge.routes',
  defaultRoute: 'tsbridge.default_route',
} as const;

/** What is given; absent: not given. */
export interface GivenContainerRoutes {
  readonly containerRoutes?: readonly ContainerRoute[];
  readonly defaultRoute?: boolean;
}

/** @param families of the network: a next hop has to be in one of its subnets */
export function readContainerRoutes(
  options: OptionMap,
  families: Families,
  problems: Problems,
): GivenContainerRoutes {
  const read = new OptionReader(options, problems);
  const containerRoutes = readList(read, containerRouteOptions.containerRoutes, (item) =>
    parseRoute(item, families),
  );
  const defaultRoute = read.boolean(containerRouteOptions.defaultRoute);
  return {
    ...(containerRoutes === undefined ? {} : { containerRoutes }),
    ...(defaultRoute === undefined ? {} : { defaultRoute }),
  };
}

function parseRoute(item: string, families: Families): ContainerRoute | Refusal {
  const [, prefix, way] = /^(\S+)\s+(?:via\s+(\S+)|dev)$/.exec(item) ?? [];
  if (prefix === undefined) {
    return refusal(
      'not a route: use CIDR via ADDRESS, or CIDR dev for what is on the link itself; engines add routes ' +
        'without metric',
    );
  }
  const destination = parsePrefix(prefix);
  if ('reason' in destination) return destination;
  if (destination.prefixLength === 0) {
    return refusal('a default route: docker network create --gateway says its next hop');
  }
  const { family } = destination;
  const subnet = (family === 4 ? families.ipv4 : families.ipv6)?.subnet;
  if (subnet === undefined) return refusal(`the network gives containers no IPv${family} address`);
  if (overlaps(subnet, destination)) {
    return refusal(`overlaps the network's own subnet ${cidrText(subnet)}, which is on the link`);
  }
  if (way === undefined) return { destination };
  const via = parseIp(way);
  if (via === undefined) return refusal(`${way} is not an address of a host`);
  if (!contains(subnet, via)) {
    return refusal(
      `the next hop ${via} is not in the network's subnet ${cidrText(subnet)}: name one that is, or use dev`,
    );
  }
  return { destination, via };
}
