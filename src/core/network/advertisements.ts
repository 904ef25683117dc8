/**
 * What neighbours on a LAN are told of a container that joins. A neighbour remembers the MAC address of an IP address for
 * minutes, and sends to it although another container, or another host, has the address now.
 */
import type { IpAddress, MacAddress } from '../address.js';
import type { EndpointSpec } from './endpoint.js';
import { isManaged, type NetworkSpec } from './network.js';

export interface Advertisement {
  /** The interface by which neighbours are told. */
  readonly device: string;
  readonly addresses: readonly IpAddress[];
  /** The MAC address that they have now; absent: the interface's own, since the host answers for them. */
  readonly mac?: MacAddress;
}

/**
 * What is told on the bridge of a LAN. On a bridge of the driver's nothing is: as with Docker up to 27, the MAC address
 * follows from the IPv4 address, and later engines tell themselves.
 */
export function advertisementsOf(endpoint: EndpointSpec, network: NetworkSpec): Advertisement[] {
  if (isManaged(network) || network.advertised === false) return [];
  const addresses = [endpoint.ipv4, endpoint.ipv6].flatMap((cidr) =>
    cidr === undefined ? [] : [cidr.address],
  );
  return addresses.length === 0 ? [] : [{ device: network.bridge, addresses, mac: endpoint.mac }];
}
