/**
 * Routes of the host that networks and endpoints ask for. All of them carry one protocol number, by which they are
 * found again: what the host has with that number and nobody asks for is removed, and routes of others are never
 * touched.
 */
import { type Cidr, cidrText, hostCidr, type IpAddress, sameCidr } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { EndpointSpec } from './endpoint.js';
import { familiesOf, type NetworkSpec } from './network.js';

/** rtm_protocol; `ip route` shows it as `proto 201`. iproute2 and FRR give it to nobody. */
export const routeProtocol = 201;

/** A unicast route of the main table. */
export interface HostRoute {
  readonly destination: Cidr;
  /** The next hop; absent: the destination is on the link. */
  readonly via?: IpAddress;
  /** Absent: the kernel finds the interface by the next hop. */
  readonly device?: InterfaceName;
  /** Source address of what the host itself sends by this route; absent: the kernel chooses. */
  readonly source?: IpAddress;
}

/** Types of routes (rtm_type) beside `unicast`, as `ip route` names them: such a route leads to no other host. */
export const otherRouteTypes = [
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
] as const;
export type OtherRouteType = (typeof otherRouteTypes)[number];

/** A route with our protocol number as the kernel shows it. */
export interface ObservedHostRoute extends Omit<HostRoute, 'device'> {
  readonly device: string | undefined;
  /** Absent: unicast. The driver makes no routes of other types. */
  readonly type?: OtherRouteType;
  /** Absent: the metric that the kernel gives a route without one, as all routes of the driver have it. */
  readonly metric?: number;
}

export type RouteStep =
  | { readonly kind: 'add-route'; readonly route: HostRoute }
  | { readonly kind: 'remove-route'; readonly route: ObservedHostRoute };

/** The routes that a network needs for as long as it is there. */
export function routesOfNetwork(network: NetworkSpec): HostRoute[] {
  const routes: HostRoute[] = [...(network.remoteRoutes ?? [])];
  if (network.announce !== 'none') return routes;
  for (const family of familiesOf(network)) {
    const { subnet, bridgeAddress } = family;
    if (bridgeAddress === undefined || family.gatewayMode === 'isolated') continue;
    if (family.family === 4 && network.inhibitIpv4) continue;
    routes.push({ destination: subnet, device: network.bridge, source: bridgeAddress.address });
  }
  return routes;
}

/** The routes that an endpoint needs from its Join until its end. */
export function routesOfEndpoint(endpoint: EndpointSpec, network: NetworkSpec): HostRoute[] {
  const routes: HostRoute[] = [];
  const device = network.bridge;
  for (const destination of endpoint.hostRoutes ?? []) {
    const via = (destination.family === 4 ? endpoint.ipv4 : endpoint.ipv6)?.address;
    if (via !== undefined) routes.push({ destination, via, device });
  }
  if (network.announce === 'addresses') {
    for (const cidr of [endpoint.ipv4, endpoint.ipv6]) {
      if (cidr !== undefined) routes.push({ destination: hostCidr(cidr.address), device });
    }
  }
  return routes;
}

/**
 * The steps from the host's routes with our protocol number to the desired ones; additions first.
 *
 * @param kept routes that nobody has to add, but that must not be removed either
 */
export function planRoutes(
  desired: readonly HostRoute[],
  observed: readonly ObservedHostRoute[],
  kept: readonly HostRoute[] = [],
): RouteStep[] {
  const isThere = (route: HostRoute) => observed.some((other) => isAsWanted(route, other));
  const isWanted = (other: ObservedHostRoute) =>
    [...desired, ...kept].some((route) => isAsWanted(route, other));
  const added = unique(desired.filter((route) => !isThere(route)));
  const surplus = observed.filter((other) => !isWanted(other));
  // The kernel takes no second route to a destination with one metric: an own route to a wrong next hop is removed
  // before the right one is added.
  const inTheWay = surplus.filter(({ destination }) =>
    added.some((route) => sameCidr(route.destination, destination)),
  );
  return [
    ...inTheWay.map((route) => ({ kind: 'remove-route', route }) as const),
    ...added.map((route) => ({ kind: 'add-route', route }) as const),
    ...surplus
      .filter((route) => !inTheWay.includes(route))
      .map((route) => ({ kind: 'remove-route', route }) as const),
  ];
}

/** The routes, with one in place of those that the kernel can have only as one: the one that says most. */
function unique(routes: readonly HostRoute[]): HostRoute[] {
  const byHop = new Map<string, HostRoute[]>();
  for (const route of routes) {
    const { destination, via } = route;
    const key = routeText(via === undefined ? { destination } : { destination, via });
    const known = byHop.get(key) ?? [];
    byHop.set(key, known);
    const at = known.findIndex((other) => canBeOne(route, other));
    const other = known[at];
    if (other === undefined) known.push(route);
    else if (routeText(route).length > routeText(other).length) known[at] = route;
  }
  return [...byHop.values()].flat();
}

/** Whether one route of the kernel can be both: what one of them leaves open, the other may say. */
export function canBeOne(one: HostRoute, other: HostRoute): boolean {
  const agree = (a: string | undefined, b: string | undefined) =>
    a === undefined || b === undefined || a === b;
  return (
    sameCidr(one.destination, other.destination) &&
    one.via === other.via &&
    agree(one.device, other.device) &&
    agree(one.source, other.source)
  );
}

/** Whether the kernel's route is the wanted one; it always names an interface. */
export function isAsWanted(wanted: HostRoute, observed: ObservedHostRoute): boolean {
  return (
    observed.type === undefined &&
    observed.metric === undefined &&
    sameCidr(wanted.destination, observed.destination) &&
    wanted.via === observed.via &&
    (wanted.device === undefined || wanted.device === observed.device) &&
    (wanted.source === undefined || wanted.source === observed.source)
  );
}

/** `10.9.0.0/24 via 192.0.2.7 dev eth0`, as `ip route` has it. */
export function routeText(
  route: Omit<ObservedHostRoute, 'device'> & { readonly device?: string | undefined },
): string {
  const { destination, via, device, source, type, metric } = route;
  return [
    ...(type === undefined ? [] : [type]),
    cidrText(destination),
    ...(via === undefined ? [] : [`via ${via}`]),
    ...(device === undefined ? [] : [`dev ${device}`]),
    ...(source === undefined ? [] : [`src ${source}`]),
    ...(metric === undefined ? [] : [`metric ${metric}`]),
  ].join(' ');
}

/** `add the route to 10.9.0.0/24 via 192.0.2.7`, for logs and `--dry-run`. */
export function describeRouteStep({ kind, route }: RouteStep): string {
  return `${kind === 'add-route' ? 'add' : 'remove'} the route to ${routeText(route)}`;
}
