/** Routes inside of a container, which the engine adds when it has moved the interface there. */
import type { Cidr, IpAddress } from '../address.js';
import type { EndpointSpec } from './endpoint.js';
import type { ContainerRoute, NetworkSpec } from './network.js';

/** The next hops of a container's default routes; undefined in a family without one. */
export interface DefaultRoutes {
  readonly gateway: IpAddress | undefined;
  readonly gatewayIpv6: IpAddress | undefined;
}

/** The routes of an endpoint, in place of its network's if it was given some, of the families that it has. */
export function routesInContainer(
  endpoint: EndpointSpec,
  network: NetworkSpec,
): readonly ContainerRoute[] {
  const routes = endpoint.containerRoutes ?? network.containerRoutes ?? [];
  const has = ({ family }: Cidr) => (family === 4 ? endpoint.ipv4 : endpoint.ipv6) !== undefined;
  return routes.filter(({ destination }) => has(destination));
}

export function defaultRoutesOf(endpoint: EndpointSpec, network: NetworkSpec): DefaultRoutes {
  const wanted = endpoint.defaultRoute ?? network.defaultRoute ?? true;
  if (!wanted) return { gateway: undefined, gatewayIpv6: undefined };
  return {
    gateway: network.ipv4?.containerGateway,
    gatewayIpv6: endpoint.ipv6 === undefined ? undefined : network.ipv6?.containerGateway,
  };
}
