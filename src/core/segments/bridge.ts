/** A bridge of the host with a veth pair for each endpoint, as Docker's bridge driver makes them. */
import { type Cidr, hostCidr, macFromBytes, sameCidr } from '../address.js';
import { networkIdBytes } from '../names.js';
import type { BridgeLink } from '../network/links.js';
import type { NetworkSpec } from '../network/network.js';
import { bridgeSysctls } from '../network/sysctls.js';
import type { Segment } from './segment.js';
import { noBridge, planPort, vethLink } from './veth-port.js';

/** Docker puts it on the bridge of every IPv6 network (docs/docker-bridge.md 4.5). */
const bridgeLinkLocal = {
  family: 6,
  address: 'fe80::1',
  prefixLength: 64,
} as Cidr;

export const bridge: Segment = {
  obstacle: noBridge,

  planDevice(network, observed) {
    const { bridge, mtu } = network;
    if (observed === undefined) return [{ kind: 'create-link', link: bridgeLink(network) }];
    if (mtu === undefined || observed.mtu === mtu) return [];
    return [{ kind: 'change-link', link: bridge, change: { mtu } }];
  },

  settings: bridgeSysctls,

  planAddresses(network, observed) {
    return addresses(network)
      .filter((address) => !observed?.addresses.some((other) => sameCidr(other, address)))
      .map((address) => ({ kind: 'add-address', link: network.bridge, address }));
  },

  planUp({ bridge }, observed) {
    return observed?.up ? [] : [{ kind: 'change-link', link: bridge, change: { up: true } }];
  },

  addresses,

  endpointLink: (network, endpoint) => vethLink(network, endpoint),

  planEndpoint: planPort,
};

function bridgeLink({ id, bridge, mtu }: NetworkSpec): BridgeLink {
  const mac = macFromBytes(Uint8Array.from([0x42, ...networkIdBytes(id)]));
  return { kind: 'bridge', name: bridge, mac, mtu };
}

function addresses({ ipv4, ipv6, inhibitIpv4, announce }: NetworkSpec): Cidr[] {
  const observed: Cidr[] = [];
  // A host address brings no connected route that a routing daemon could announce; `routesOfNetwork` has the route.
  const carried = (cidr: Cidr) => (announce === 'none' ? hostCidr(cidr.address) : cidr);
  if (ipv4?.bridgeAddress && !inhibitIpv4 && ipv4.gatewayMode !== 'isolated') {
    observed.push(carried(ipv4.bridgeAddress));
  }
  if (ipv6?.bridgeAddress && ipv6.gatewayMode !== 'isolated') {
    observed.push(bridgeLinkLocal, carried(ipv6.bridgeAddress));
  }
  return observed;
}
