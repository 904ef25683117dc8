/**
 * A bridge that somebody else makes and keeps, such as one that carries the host's NIC. The driver makes containers ports
 * of it and changes nothing else, also if it is down, has no addresses, or is missing.
 */
import type { MacAddress } from '../address.js';
import type { Segment } from './segment.js';
import { noBridge, planPort, vethLink } from './veth-port.js';

/**
 * The first byte of the MAC addresses of the host's ends. A bridge whose MAC address nobody has set takes the lowest of its
 * ports'. With this byte that is never a host's end's, so that the host's own MAC address on the LAN does not change.
 */
const highest = 'fe';

export const unmanaged: Segment = {
  obstacle: noBridge,

  planDevice: () => [],

  settings: () => [],

  planAddresses: () => [],

  planUp: () => [],

  addresses: () => [],

  /** The veth pair gets the bridge's MTU: a bridge whose MTU nobody has set takes the smallest one of its ports. */
  endpointLink(network, endpoint, device) {
    const hostMac = `${highest}${endpoint.mac.slice(2)}` as MacAddress;
    return { ...vethLink(network, endpoint), mtu: device?.mtu, hostMac };
  },

  /** Nothing while the bridge is missing: the daemon does not make it. */
  planEndpoint(network, endpoint, device, observed) {
    return device === undefined ? [] : planPort(network, endpoint, device, observed);
  },
};
