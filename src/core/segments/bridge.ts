/** A bridge of the host with a veth pair for each endpoint, as Docker's bridge driver makes them. */
import { type Cidr, macFromBytes, sameCidr } from '../address.js';
import type { EndpointSpec } from '../network/endpoint.js';
import type { BridgeLink, LinkChange, VethLink } from '../network/links.js';
import type { NetworkSpec } from '../network/network.js';
import { bridgeSysctls } from '../network/sysctls.js';
import type { Segment } from './segment.js';

/** Docker puts it on the bridge of every IPv6 network (docs/docker-bridge.md 4.5). */
const bridgeLinkLocal = {
  family: 6,
  address: 'fe80::1',
  prefixLength: 64,
} as Cidr;

export const bridge: Segment = {
  obstacle({ bridge }, { kind }) {
    if (kind === 'bridge') return undefined;
    return `existing interface ${bridge} is not a bridge`;
  },

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

  endpointLink: vethLink,

  planEndpoint(network, endpoint, device, observed) {
    const wanted = vethLink(network, endpoint);
    const offBridge = device === undefined || observed.master !== device.index;
    const change: LinkChange = {
      ...(offBridge ? { master: wanted.bridge } : {}),
      ...(wanted.hairpin && (offBridge || observed.hairpin !== true) ? { hairpin: true } : {}),
      ...(observed.up ? {} : { up: true }),
    };
    if (Object.keys(change).length === 0) return [];
    return [{ kind: 'change-link', link: wanted.names.host, change }];
  },
};

function bridgeLink({ id, bridge, mtu }: NetworkSpec): BridgeLink {
  const mac = macFromBytes(Uint8Array.from([0x42, ...Buffer.from(id.slice(0, 8), 'hex')]));
  return { kind: 'bridge', name: bridge, mac, mtu };
}

function addresses({ ipv4, ipv6, inhibitIpv4 }: NetworkSpec): Cidr[] {
  const observed: Cidr[] = [];
  if (ipv4?.bridgeAddress && !inhibitIpv4 && ipv4.gatewayMode !== 'isolated') {
    observed.push(ipv4.bridgeAddress);
  }
  if (ipv6?.bridgeAddress && ipv6.gatewayMode !== 'isolated') {
    observed.push(bridgeLinkLocal, ipv6.bridgeAddress);
  }
  return observed;
}

function vethLink(network: NetworkSpec, { veth }: EndpointSpec): VethLink {
  return {
    kind: 'veth',
    names: veth,
    bridge: network.bridge,
    mtu: network.mtu,
    hairpin: !network.userlandProxy,
  };
}
