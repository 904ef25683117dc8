/** What an endpoint should be: the validated request of CreateEndpoint. */
import type { Cidr, Ipv4Address, MacAddress } from '../address.js';
import { addressBytes, macFromBytes, macFromIpv4 } from '../address.js';
import type { EndpointId, NetworkId, VethNames } from '../names.js';

export interface EndpointSpec {
  readonly id: EndpointId;
  readonly networkId: NetworkId;
  readonly ipv4: Cidr | undefined;
  readonly ipv6: Cidr | undefined;
  readonly mac: MacAddress;
  readonly veth: VethNames;
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
