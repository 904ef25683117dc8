/** What an endpoint should be: the validated request of CreateEndpoint. */
import type { Cidr, Ipv4Address, MacAddress } from '../address.js';
import { addressBytes, macFromBytes, macFromIpv4 } from '../address.js';
import { type EndpointId, type NetworkId, shortId, type VethNames } from '../names.js';
import { type NetworkSpec, networkLabel } from './network.js';

export interface EndpointSpec {
  readonly id: EndpointId;
  readonly networkId: NetworkId;
  readonly ipv4: Cidr | undefined;
  readonly ipv6: Cidr | undefined;
  readonly mac: MacAddress;
  readonly veth: VethNames;
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
