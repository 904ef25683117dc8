/** What an endpoint should be: the validated request of CreateEndpoint. */
import type { Cidr, Ipv4Address, MacAddress } from '../address.js';
import { addressBytes, macFromBytes, macFromIpv4 } from '../address.js';
import { type EndpointId, type NetworkId, shortId, type VethNames } from '../names.js';
import type { GivenLimits } from './limits.js';
import {
  type ContainerGateway,
  type ContainerRoute,
  type NetworkSpec,
  networkLabel,
} from './network.js';
import type { Passage } from './passage.js';

export interface EndpointSpec {
  readonly id: EndpointId;
  readonly networkId: NetworkId;
  readonly ipv4: Cidr | undefined;
  readonly ipv6: Cidr | undefined;
  readonly mac: MacAddress;
  readonly veth: VethNames;
  /** Whether the endpoint is isolated, in place of the network's setting; absent: that applies. */
  readonly portIsolation?: boolean;
  /** Limits that count more than the network's; absent: only those apply. */
  readonly limits?: GivenLimits;
  /** Routes of the container in place of the network's; absent: those apply. */
  readonly containerRoutes?: readonly ContainerRoute[];
  /** Whether the container gets a default route, in place of the network's setting; absent: that applies. */
  readonly defaultRoute?: boolean;
  /** Next hops of default routes in place of the network's; absent: those apply. */
  readonly gateways?: readonly ContainerGateway[];
  /** Metric of default routes that have none of their own, in place of the network's; absent: that applies. */
  readonly routeMetric?: number;
  /** Prefixes that the host routes to the container; absent: none. */
  readonly hostRoutes?: readonly Cidr[];
  /** Values of the endpoint that count in place of the network's; absent: those of the network apply. */
  readonly passage?: Passage;
}

/** An endpoint in messages for people: `ba9876543210 on network 0123456789ab (br-0123456789ab)`. */
export function endpointLabel(endpoint: Pick<EndpointSpec, 'id'>, network: NetworkSpec): string {
  return `${shortId(endpoint.id)} on network ${networkLabel(network)}`;
}

/**
 * The MAC address of an endpoint that was given none: from its IPv4 address as Docker up to 27
 * does (docs/docker-bridge.md 5.2), from its id for an endpoint without IPv4.
 */
export function defaultMac(id: EndpointId, ipv4: Cidr | undefined): MacAddress {
  if (ipv4 !== undefined && addressBytes(ipv4.address).length === 4) {
    return macFromIpv4(ipv4.address as Ipv4Address);
  }
  return macFromBytes(Uint8Array.from(Buffer.from(id.slice(0, 10), 'hex')));
}
