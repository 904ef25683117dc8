/**
 * Options of routes inside of a container: a network (for each of its containers) and an endpoint have the same ones.
 */
import { type Cidr, cidrText, contains, familyOf, parseIp } from '../../address.js';
import { containerRouteText, type GivenDefaultRoutes } from '../../network/container-routes.js';
import type {
  ContainerGateway,
  ContainerRoute,
  Families,
  RouteRefusal,
} from '../../network/network.js';
import { type Problems, show } from '../../problems.js';
import { type InvalidItem, invalidItem, parsePrefix, readList } from '../list-values.js';
import { type OptionMap, OptionReader } from '../option-reader.js';

export const containerRouteOptions = {
  containerRoutes: 'tsbridge.routes',
  defaultRoute: 'tsbridge.default_route',
  gateways: 'tsbridge.gateways',
  routeMetric: 'tsbridge.metric',
} as const;

const largestMetric = 4_294_967_295;
const metricReason = `not a metric: use a number from 1 to ${largestMetric}`;

/** What is given; absent: not given. */
export interface GivenContainerRoutes extends GivenDefaultRoutes {
  readonly containerRoutes?: readonly ContainerRoute[];
}

/** @param network next hops have to be in one of its subnets; an internal one has no default routes */
export function readContainerRoutes(
  options: OptionMap,
  network: Families & { readonly internal: boolean },
  problems: Problems,
): GivenContainerRoutes {
  const read = new OptionReader(options, problems);
  const names = containerRouteOptions;
  const containerRoutes = readList(read, names.containerRoutes, (item) =>
    parseRoute(item, network),
  );
  for (const [index, route] of (containerRoutes ?? []).entries()) {
    const first = containerRoutes?.findIndex((other) => isSameRoute(other, route)) ?? index;
    if (first < index) {
      read.refuse(
        names.containerRoutes,
        containerRouteText(route),
        'there is another route to it: give one of them another metric, or leave it out',
      );
    }
  }
  const defaultRoute = read.boolean(names.defaultRoute);
  const gateways = readList(read, names.gateways, (item) => parseGateway(item, network));
  const routeMetric = read.parsed(names.routeMetric, parseMetric, metricReason);
  const given: GivenContainerRoutes = {
    ...(containerRoutes === undefined ? {} : { containerRoutes }),
    ...(defaultRoute === undefined ? {} : { defaultRoute }),
    ...(gateways === undefined ? {} : { gateways }),
    ...(routeMetric === undefined ? {} : { routeMetric }),
  };
  refuseContradictions(given, network.internal, problems);
  return given;
}

/** Adds a problem for each option about default routes that cannot have an effect. */
function refuseContradictions(
  { defaultRoute, gateways, routeMetric }: GivenContainerRoutes,
  internal: boolean,
  problems: Problems,
): void {
  const names = containerRouteOptions;
  const asked = [
    ...(gateways === undefined ? [] : [names.gateways]),
    ...(routeMetric === undefined ? [] : [names.routeMetric]),
  ];
  for (const name of asked) {
    if (internal) {
      problems.add(
        `${name} cannot go with --internal: such a network has no way out; leave it out`,
      );
    }
    if (defaultRoute === false) {
      problems.add(`${name} cannot go with ${names.defaultRoute}=false: leave one of them out`);
    }
  }
}

/** Adds a problem for two default routes with the same metric: the kernel takes only one of them. */
export function refuseGatewayClash(
  clash: readonly [ContainerGateway, ContainerGateway] | undefined,
  problems: Problems,
): void {
  if (clash === undefined) return;
  const [one, other] = clash.map(gatewayText);
  problems.add(
    `${containerRouteOptions.gateways}: default routes by ${one} and ${other} have the same metric: give one of them ` +
      'another, as ADDRESS@METRIC (IPv6 without one has 1024)',
  );
}

const gatewayText = ({ address, metric }: ContainerGateway): string =>
  metric === undefined ? address : `${address}@${metric}`;

const isSameRoute = (one: ContainerRoute, other: ContainerRoute): boolean =>
  cidrText(one.destination) === cidrText(other.destination) && one.metric === other.metric;

function parseMetric(text: string): number | undefined {
  if (!/^[1-9]\d{0,9}$/.test(text)) return undefined;
  const metric = Number(text);
  return metric <= largestMetric ? metric : undefined;
}

function parseGateway(item: string, families: Families): ContainerGateway | InvalidItem {
  const [, hop = '', number] = /^([^@]*)(?:@(.*))?$/.exec(item) ?? [];
  const address = parseIp(hop);
  if (address === undefined) {
    return invalidItem('not a gateway: use ADDRESS, or ADDRESS@METRIC, e.g. 10.9.1.254@100');
  }
  const metric = number === undefined ? undefined : parseMetric(number);
  if (number !== undefined && metric === undefined) return invalidItem(metricReason);
  const subnet = subnetOf(families, familyOf(address));
  if (subnet === undefined) return noFamily(familyOf(address));
  if (!contains(subnet, address)) {
    return invalidItem(`not in the network's subnet ${cidrText(subnet)}: name an address that is`);
  }
  return metric === undefined ? { address } : { address, metric };
}

const routeForm =
  /^(\S+)\s+(?:via\s+(\S+)|(dev|blackhole|unreachable|prohibit))(?:\s+metric\s+(\S+))?$/;

function parseRoute(item: string, families: Families): ContainerRoute | InvalidItem {
  const [, prefix, way, word, number] = routeForm.exec(item) ?? [];
  if (prefix === undefined) {
    return invalidItem(
      'not a route: use CIDR via ADDRESS, CIDR dev for what is on the link itself, or CIDR blackhole (unreachable, ' +
        'prohibit), each with metric N behind it or without',
    );
  }
  const destination = parsePrefix(prefix);
  if ('reason' in destination) return destination;
  if (destination.prefixLength === 0) {
    return invalidItem(`a default route: ${containerRouteOptions.gateways} names its next hops`);
  }
  const metric = number === undefined ? undefined : parseMetric(number);
  if (number !== undefined && metric === undefined)
    return invalidItem(`${show(number)} is ${metricReason}`);
  const subnet = subnetOf(families, destination.family);
  if (subnet === undefined) return noFamily(destination.family);
  // A wider destination is fine: the way to the subnet itself is more specific.
  if (contains(subnet, destination.address) && destination.prefixLength >= subnet.prefixLength) {
    return invalidItem(`is in the network's own subnet ${cidrText(subnet)}, which is on the link`);
  }
  const common = { destination, ...(metric === undefined ? {} : { metric }) };
  if (word === 'dev') return common;
  if (word !== undefined) return { ...common, refusal: word as RouteRefusal };
  const via = parseIp(way ?? '');
  if (via === undefined) return invalidItem(`${way} is not an address of a host`);
  if (!contains(subnet, via)) {
    return invalidItem(
      `the next hop ${via} is not in the network's subnet ${cidrText(subnet)}: name one that is, or use dev`,
    );
  }
  return { ...common, via };
}

const subnetOf = (families: Families, family: 4 | 6): Cidr | undefined =>
  (family === 4 ? families.ipv4 : families.ipv6)?.subnet;

const noFamily = (family: 4 | 6): InvalidItem =>
  invalidItem(`the network gives containers no IPv${family} address`);
