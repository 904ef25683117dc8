/**
 * What neighbours on a LAN are told of a container that joins. A neighbour remembers the MAC address of an IP address for
 * minutes, and goes on sending to it although another container, or another host, has the address now.
 */
import type { IpAddress, MacAddress } from '../address.js';
import type { EndpointSpec } from './endpoint.js';
import { isManaged, type NetworkSpec } from './network.js';

export interface Advertisement {
  /** The interface out of which the advertisement is sent. */
  readonly device: string;
  readonly addresses: readonly IpAddress[];
  /** The MAC address that they have now; absent: the interface's own, since the host answers for them. */
  readonly mac?: MacAddress;
}

/**
 * What neighbours are told of a container on the bridge of a LAN. On a bridge of the driver's own they are told nothing:
 * up to Docker 27 the MAC address follows from the IPv4 address, so that what neighbours remember stays true, and later
 * engines send advertisements themselves.
 */
export function advertisementsOf(endpoint: EndpointSpec, network: NetworkSpec): Advertisement[] {
  if (isManaged(network) || network.advertised === false) return [];
  const addresses = [endpoint.ipv4, endpoint.ipv6].flatMap((cidr) =>
    cidr === undefined ? [] : [cidr.address],
  );
  return addresses.length === 0 ? [] : [{ device: network.bridge, addresses, mac: endpoint.mac }];
}
