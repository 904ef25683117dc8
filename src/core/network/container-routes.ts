/**
 * Routes inside of a container. After the engine has moved the interface into the container, it adds the routes that it
 * can. It cannot add routes with a metric, nor routes that refuse packets: the driver adds these.
 */
import {
  anyIpv4,
  anyIpv6,
  type Cidr,
  cidrText,
  familyOf,
  type IpAddress,
  sameCidr,
} from '../address.js';
import type { EndpointSpec } from './endpoint.js';
import type { ContainerGateway, ContainerRoute, NetworkSpec } from './network.js';

/** The options of a network or an endpoint from which default routes are made. */
export interface GivenDefaultRoutes {
  readonly defaultRoute?: boolean;
  readonly gateways?: readonly ContainerGateway[];
  readonly routeMetric?: number;
}

/** The next hops of the default routes that the engine makes; undefined in a family without one. */
export interface DefaultRoutes {
  readonly gateway: IpAddress | undefined;
  readonly gatewayIpv6: IpAddress | undefined;
}

/** A route inside of a container that has our protocol number, as the kernel shows it. */
export interface ObservedContainerRoute extends ContainerRoute {
  /** false: it leaves by another interface than the endpoint's. */
  readonly isOwnLink: boolean;
}

export interface ContainerRouteStep {
  readonly kind: 'add' | 'remove';
  readonly route: ContainerRoute;
}

/** The routes of an endpoint, in place of its network's if it was given some, of the families that it has. */
function routesOf(endpoint: EndpointSpec, network: NetworkSpec): readonly ContainerRoute[] {
  const routes = endpoint.containerRoutes ?? network.containerRoutes ?? [];
  return routes.filter(({ destination }) => hasFamily(endpoint, destination));
}

const hasFamily = (endpoint: EndpointSpec, { family }: Pick<Cidr, 'family'>): boolean =>
  (family === 4 ? endpoint.ipv4 : endpoint.ipv6) !== undefined;

/** Whether an engine can add the route: the protocol between engine and driver has no metric, and no type of route. */
const isPlain = ({ metric, refusal }: ContainerRoute): boolean =>
  metric === undefined && refusal === undefined;

/** The routes that the engine is told of. */
export function routesByEngine(
  endpoint: EndpointSpec,
  network: NetworkSpec,
): readonly ContainerRoute[] {
  return routesOf(endpoint, network).filter(isPlain);
}

/** The routes that the driver adds. They have our protocol number, so that the driver finds them again. */
export function routesByDriver(
  endpoint: EndpointSpec,
  network: NetworkSpec,
): readonly ContainerRoute[] {
  const defaults = gatewaysOf(endpoint, network).flatMap(({ address, metric }) =>
    metric === undefined ? [] : [{ destination: defaultOf(address), via: address, metric }],
  );
  return [...routesOf(endpoint, network).filter((route) => !isPlain(route)), ...defaults];
}

const defaultOf = (address: IpAddress): Cidr =>
  familyOf(address) === 4
    ? { family: 4, address: anyIpv4, prefixLength: 0 }
    : { family: 6, address: anyIpv6, prefixLength: 0 };

/**
 * The default routes of an endpoint. What it was given itself counts in place of the network's; naming a next hop or a
 * metric asks for default routes, also on a network without.
 */
export function gatewaysOf(
  endpoint: Pick<EndpointSpec, 'ipv4' | 'ipv6'> & GivenDefaultRoutes,
  network: NetworkSpec,
): readonly ContainerGateway[] {
  const asks = endpoint.gateways !== undefined || endpoint.routeMetric !== undefined;
  const wanted = endpoint.defaultRoute ?? (asks || (network.defaultRoute ?? true));
  if (!wanted) return [];
  const has = { 4: endpoint.ipv4 !== undefined, 6: endpoint.ipv6 !== undefined } as const;
  const gateways = endpoint.gateways ?? network.gateways ?? ofPools(network);
  const metric = endpoint.routeMetric ?? network.routeMetric;
  return gateways
    .filter(({ address }) => has[familyOf(address)])
    .map((each) => (metric === undefined ? each : { metric, ...each }));
}

/** The default routes of a container of the network that has addresses of all its families, and no options. */
export function gatewaysOfAll(network: NetworkSpec): readonly ContainerGateway[] {
  return gatewaysOf({ ipv4: network.ipv4?.subnet, ipv6: network.ipv6?.subnet }, network);
}

function ofPools({ ipv4, ipv6 }: Pick<NetworkSpec, 'ipv4' | 'ipv6'>): ContainerGateway[] {
  return [ipv4, ipv6].flatMap((family) =>
    family?.containerGateway === undefined ? [] : [{ address: family.containerGateway }],
  );
}

/** The default routes without a metric, which the engine adds: at most one in each family ({@link gatewayClash}). */
export function defaultRoutesOf(endpoint: EndpointSpec, network: NetworkSpec): DefaultRoutes {
  const plain = gatewaysOf(endpoint, network).filter(({ metric }) => metric === undefined);
  const of = (family: 4 | 6) => plain.find(({ address }) => familyOf(address) === family)?.address;
  return { gateway: of(4), gatewayIpv6: of(6) };
}

/**
 * The first two default routes with the same family and metric; undefined: there are none. The kernel refuses the
 * second one.
 */
export function gatewayClash(
  gateways: readonly ContainerGateway[],
): readonly [ContainerGateway, ContainerGateway] | undefined {
  for (const [index, gateway] of gateways.entries()) {
    const first = gateways.slice(0, index).find((other) => rankOf(other) === rankOf(gateway));
    if (first !== undefined) return [first, gateway];
  }
  return undefined;
}

const rankOf = ({ address, metric }: ContainerGateway): string =>
  `${familyOf(address)} ${metricOf(familyOf(address), metric)}`;

/** Without a metric the kernel takes 0 for IPv4 and 1024 for IPv6. */
const metricOf = (family: 4 | 6, metric: number | undefined): number =>
  metric ?? (family === 4 ? 0 : 1024);

/**
 * The steps that add the desired routes, and remove routes with our protocol number that are in their way. Other routes
 * with our number are left alone, since another tsbridge may run inside of the container.
 */
export function planContainerRoutes(
  desired: readonly ContainerRoute[],
  observed: readonly ObservedContainerRoute[],
): ContainerRouteStep[] {
  return desired.flatMap((route): ContainerRouteStep[] => {
    const there = observed.filter((other) => isSamePlace(route, other));
    if (there.some((other) => isAsWanted(route, other))) return [];
    return [
      ...there.map((other) => ({ kind: 'remove', route: other }) as const),
      { kind: 'add', route },
    ];
  });
}

/** The kernel takes one route to a destination with one metric. */
function isSamePlace(one: ContainerRoute, other: ContainerRoute): boolean {
  const { family } = one.destination;
  return (
    sameCidr(one.destination, other.destination) &&
    metricOf(family, one.metric) === metricOf(family, other.metric)
  );
}

function isAsWanted(wanted: ContainerRoute, observed: ObservedContainerRoute): boolean {
  if (wanted.refusal !== observed.refusal) return false;
  // The kernel shows a route that refuses packets with no interface, or with `lo`.
  return wanted.refusal !== undefined || (wanted.via === observed.via && observed.isOwnLink);
}

/** The routes that stay in a container when the endpoint's interface goes. */
export const survivesLink = ({ refusal }: ContainerRoute): boolean => refusal !== undefined;

/** `10.9.0.0/24 via 10.5.0.9 metric 50`, `blackhole 10.0.0.0/8`, `default via 10.5.0.1`: as `ip route` has it. */
export function containerRouteText({ destination, via, metric, refusal }: ContainerRoute): string {
  return [
    ...(refusal === undefined ? [] : [refusal]),
    destination.prefixLength === 0 ? 'default' : cidrText(destination),
    ...(via === undefined ? [] : [`via ${via}`]),
    ...(metric === undefined ? [] : [`metric ${metric}`]),
  ].join(' ');
}

/** For logs and `--dry-run`. @param host name of the host's end of the endpoint's veth pair */
export function describeContainerRouteStep(
  host: string,
  { kind, route }: ContainerRouteStep,
): string {
  return `${kind} the route ${containerRouteText(route)} inside of the container behind ${host}`;
}
