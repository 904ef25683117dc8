/** Options that make routes of the host: `remote_routes` and `announce` of a network, `host_routes` of an endpoint. */
import {
  type Cidr,
  cidrText,
  familyOf,
  type IpAddress,
  overlaps,
  parseIp,
  sameCidr,
} from '../../address.js';
import { parseInterfaceName } from '../../names.js';
import {
  type Announcement,
  type Families,
  familyIn,
  type NdpProxy,
  type NetworkSpec,
  type RemoteRoute,
} from '../../network/network.js';
import type { Problems } from '../../problems.js';
import { type InvalidItem, invalidItem, parsePrefix, readList } from '../list-values.js';
import { type OptionMap, OptionReader } from '../option-reader.js';

export const hostRouteOptions = {
  remoteRoutes: 'tsbridge.remote_routes',
  announce: 'tsbridge.announce',
  ndpProxy: 'tsbridge.ndp_proxy',
} as const;

export const hostRoutesOption = 'tsbridge.host_routes';

/** `CIDR via ADDRESS, …`; undefined if the option is not given. */
export function readRemoteRoutes(read: OptionReader): readonly RemoteRoute[] | undefined {
  return readList(read, hostRouteOptions.remoteRoutes, (item): RemoteRoute | InvalidItem => {
    const [, prefix, hop] = /^(\S+)\s+via\s+(\S+)$/.exec(item) ?? [];
    if (prefix === undefined || hop === undefined) {
      return invalidItem('not a route: use CIDR via ADDRESS, e.g. 10.9.0.0/24 via 192.0.2.7');
    }
    const destination = parsePrefix(prefix);
    if ('reason' in destination) return destination;
    if (destination.prefixLength === 0) {
      return invalidItem(
        "the host's default route is its administrator's: name the networks of the other host",
      );
    }
    const via = parseIp(hop);
    if (via === undefined) return invalidItem(`${hop} is not an address of a host`);
    if (familyOf(via) !== destination.family) {
      return invalidItem(
        `an IPv${destination.family} route needs an IPv${destination.family} next hop`,
      );
    }
    return { destination, via };
  });
}

/** `uplink`, or the name of an interface; undefined if the option is not given. */
export function readNdpProxy(read: OptionReader): NdpProxy | undefined {
  return read.parsed(
    hostRouteOptions.ndpProxy,
    (text) => (text === 'uplink' ? text : parseInterfaceName(text)),
    "not an interface name: use that of the host's interface on which neighbours ask, or uplink",
  );
}

/** The parts of a network's request that its host routes have to fit. */
interface HostRoutedNetwork {
  readonly families: Families;
  readonly internal: boolean;
  readonly labels: {
    readonly unmanaged: boolean;
    readonly remoteRoutes: readonly RemoteRoute[] | undefined;
    readonly announce: Announcement | undefined;
    readonly ndpProxy: NdpProxy | undefined;
  };
}

/** Adds a problem for each option about routes of the host, or about proxy NDP, that cannot go with the network. */
export function refuseHostRoutes(
  { families, internal, labels }: HostRoutedNetwork,
  problems: Problems,
): void {
  const { unmanaged, remoteRoutes = [], announce, ndpProxy } = labels;
  refuseRemoteRoutes(remoteRoutes, families, problems);
  if (announce !== undefined && announce !== 'subnet' && unmanaged) {
    problems.add(
      `${hostRouteOptions.announce}=${announce} cannot go with tsbridge.bridge=unmanaged: containers have addresses ` +
        'of the LAN, which others know without a route: leave it out',
    );
  }
  if (ndpProxy === undefined) return;
  const why = unmanaged
    ? 'tsbridge.bridge=unmanaged: containers of the LAN answer for themselves; leave it out'
    : internal
      ? '--internal, where nothing passes: leave it out'
      : families.ipv6 === undefined
        ? 'a network without IPv6: add --ipv6 and an IPv6 --subnet, or leave it out'
        : undefined;
  if (why !== undefined) {
    problems.add(`${hostRouteOptions.ndpProxy}=${ndpProxy} cannot go with ${why}`);
  }
}

/** Adds a problem for routes to the network's own subnet, and for two routes to one destination. */
function refuseRemoteRoutes(
  routes: readonly RemoteRoute[],
  families: Families,
  problems: Problems,
): void {
  const name = hostRouteOptions.remoteRoutes;
  for (const [index, { destination, via }] of routes.entries()) {
    const subnet = (destination.family === 4 ? families.ipv4 : families.ipv6)?.subnet;
    const what = `${name}: ${cidrText(destination)} via ${via}`;
    if (subnet !== undefined && overlaps(subnet, destination)) {
      problems.add(
        `${what} overlaps the network's own subnet ${cidrText(subnet)}: give each host another subnet`,
      );
    }
    const first = routes.findIndex((other) => sameCidr(other.destination, destination));
    if (first < index) {
      problems.add(`${what}: there is another route to ${cidrText(destination)}; leave one out`);
    }
  }
}

/** The prefixes that the host routes to the container; undefined if none are given. */
export function readHostRoutes(
  options: OptionMap,
  network: NetworkSpec,
  addresses: { readonly ipv4: Cidr | undefined; readonly ipv6: Cidr | undefined },
  problems: Problems,
): readonly Cidr[] | undefined {
  const read = new OptionReader(options, problems);
  return readList(read, hostRoutesOption, (item): Cidr | InvalidItem => {
    const prefix = parsePrefix(item);
    if ('reason' in prefix) return prefix;
    const { family } = prefix;
    if (prefix.prefixLength === 0) {
      return invalidItem(
        "the host's default route is its administrator's: name the networks behind the container",
      );
    }
    const subnet = familyIn(network, family)?.subnet;
    const hop: IpAddress | undefined = (family === 4 ? addresses.ipv4 : addresses.ipv6)?.address;
    if (hop === undefined) {
      return invalidItem(
        `the container has no IPv${family} address in the network that would be the next hop`,
      );
    }
    if (subnet !== undefined && overlaps(subnet, prefix)) {
      return invalidItem(
        `overlaps the network's subnet ${cidrText(subnet)}, whose addresses the bridge reaches itself`,
      );
    }
    return prefix;
  });
}
