/** Routes of the daemon's namespace with our protocol number, by rtnetlink. */
import {
  addOwnRouteRequest,
  listOwnRoutesRequest,
  parseOwnRoute,
  removeOwnRouteRequest,
  type WireRoute,
} from '../../codec/netlink/own-route-messages.js';
import { DriverError, messageOf } from '../../core/errors.js';
import { type HostRoute, type ObservedHostRoute, routeText } from '../../core/network/routes.js';
import type { Routes } from '../../driver/host.js';
import { collectDump } from './socket/dump.js';
import { linkIndex, linkName } from './socket/link-names.js';
import { NetlinkError } from './socket/netlink-error.js';
import { NetlinkSocket, netlinkProtocol } from './socket/netlink-socket.js';

/**
 * What an administrator can do about an error of the kernel, by the error's code; it ends the text of the DriverError.
 */
const advice: Readonly<Record<string, string>> = {
  EEXIST:
    'the host has a route to it that is not ours (ip route show proto 201 lists ours): remove that one, or leave ' +
    'this one out',
  ENETUNREACH: 'no interface leads to the next hop: is it up, with an address of that subnet?',
  EHOSTUNREACH: 'no interface leads to the next hop: is it up, with an address of that subnet?',
  EINVAL: 'the kernel refuses the next hop: it has to be another host on a subnet of this one',
  ENETDOWN: 'the interface is down',
  EPERM: 'the daemon needs root, or the capability CAP_NET_ADMIN',
};

/** Errors of a removal that are none: the route is gone, or its interface, and the route with it. */
export const gone: readonly string[] = ['ESRCH', 'ENODEV', 'ENOENT'];

export class HostRoutesNetlink implements Routes {
  readonly #socket = new NetlinkSocket(netlinkProtocol.route);

  close(): void {
    this.#socket.close();
  }

  async list(): Promise<ObservedHostRoute[]> {
    try {
      const lists = await Promise.all(
        ([4, 6] as const).map((family) =>
          collectDump(netlinkProtocol.route, listOwnRoutesRequest(family), parseOwnRoute).catch(
            noSuchFamily,
          ),
        ),
      );
      return lists.flat().map(observedOf);
    } catch (error) {
      throw failed('listing the routes of protocol 201', error);
    }
  }

  async add(route: HostRoute): Promise<void> {
    const action = `adding the route to ${routeText(route)}`;
    try {
      const { device } = route;
      const out = device === undefined ? undefined : linkIndex(device);
      if (device !== undefined && out === undefined) {
        throw new Error(`there is no interface ${device}`);
      }
      await this.#socket.request(addOwnRouteRequest(wireOf(route, out)));
    } catch (error) {
      throw failed(action, error);
    }
  }

  async remove(route: ObservedHostRoute): Promise<void> {
    try {
      const out = route.device === undefined ? undefined : linkIndex(route.device);
      // The routes of an interface go with it.
      if (route.device !== undefined && out === undefined) return;
      // Without a metric the kernel would remove the first route to the destination, whatever its metric.
      const ofIpv6 = route.destination.family === 6 ? { metric: ipv6Metric } : {};
      await this.#socket.request(removeOwnRouteRequest({ ...ofIpv6, ...wireOf(route, out) }));
    } catch (error) {
      if (error instanceof NetlinkError && gone.includes(error.code)) return;
      throw failed(`removing the route to ${routeText(route)}`, error);
    }
  }
}

/** A kernel without IPv6 has no list of its routes or neighbours. */
export function noSuchFamily(error: unknown): never[] {
  if (error instanceof NetlinkError && /^(EOPNOTSUPP|ENOTSUP|EAFNOSUPPORT)$/.test(error.code)) {
    return [];
  }
  throw error;
}

function wireOf(route: HostRoute | ObservedHostRoute, out: number | undefined): WireRoute {
  const { destination, via, source, type, metric }: Omit<ObservedHostRoute, 'device'> = route;
  return {
    type: type ?? 'unicast',
    destination,
    ...(via === undefined ? {} : { via }),
    ...(out === undefined ? {} : { out }),
    ...(source === undefined ? {} : { source }),
    ...(metric === undefined ? {} : { metric }),
  };
}

/** The metric that the kernel gives a route of IPv6 that comes without one (IP6_RT_PRIO_USER); of IPv4, 0. */
const ipv6Metric = 1024;

function observedOf(route: WireRoute): ObservedHostRoute {
  const { type, destination, via, out, source, metric = 0 } = route;
  const isUsual = metric === (destination.family === 6 ? ipv6Metric : 0);
  return {
    destination,
    device: out === undefined ? undefined : linkName(out),
    ...(via === undefined ? {} : { via }),
    ...(source === undefined ? {} : { source }),
    ...(type === 'unicast' ? {} : { type }),
    ...(isUsual ? {} : { metric }),
  };
}

function failed(action: string, error: unknown): DriverError {
  const code = error instanceof NetlinkError ? error.code : '';
  const hint = advice[code];
  const message = `${action}: ${messageOf(error)}${hint === undefined ? '' : `: ${hint}`}`;
  return new DriverError(code === 'EEXIST' ? 'route-exists' : 'route-failed', message, {
    cause: error,
  });
}
