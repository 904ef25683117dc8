/** Desired and observed links, and the steps from one to the other. */
import { type Cidr, cidrText, type MacAddress, macFromBytes, sameCidr } from '../address.js';
import type { InterfaceName, VethNames } from '../names.js';
import type { EndpointSpec } from './endpoint.js';
import type { NetworkSpec } from './network.js';

export interface BridgeLink {
  readonly name: InterfaceName;
  readonly mac: MacAddress;
  /** Bytes; undefined leaves the kernel's default. */
  readonly mtu: number | undefined;
  readonly addresses: readonly Cidr[];
}

export interface VethLink {
  readonly names: VethNames;
  readonly bridge: InterfaceName;
  /** Bytes, both ends; undefined leaves the kernel's default. */
  readonly mtu: number | undefined;
  /** Frames may leave by the port they came in: needed without the userland proxy. */
  readonly hairpin: boolean;
}

/** A link as the kernel shows it. */
export interface ObservedLink {
  readonly index: number;
  readonly name: string;
  /** `bridge`, `veth`, …; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  readonly up: boolean;
  readonly mtu: number;
  /** Index of the bridge that the link is a port of. */
  readonly master: number | undefined;
  /** Only for ports of a bridge. */
  readonly hairpin: boolean | undefined;
  /** Only of bridges; empty for others. */
  readonly addresses: readonly Cidr[];
}

/** Changes to a link that exists; absent fields stay as they are. */
export interface LinkChange {
  readonly mtu?: number;
  readonly up?: boolean;
  /** Name of the bridge to become a port of. */
  readonly master?: InterfaceName;
  readonly hairpin?: boolean;
}

export type LinkStep =
  | { readonly kind: 'create-bridge'; readonly bridge: BridgeLink }
  | { readonly kind: 'create-veth'; readonly veth: VethLink }
  | { readonly kind: 'add-address'; readonly link: InterfaceName; readonly address: Cidr }
  | { readonly kind: 'remove-address'; readonly link: InterfaceName; readonly address: Cidr }
  | { readonly kind: 'change-link'; readonly link: InterfaceName; readonly change: LinkChange };

/**
 * fe80::1/64, which Docker puts on the bridge of every IPv6 network (docs/docker-bridge.md 4.5).
 */
const bridgeLinkLocal = {
  family: 6,
  address: 'fe80::1',
  prefixLength: 64,
} as Cidr;

export function bridgeLinkOf(network: NetworkSpec): BridgeLink {
  const addresses: Cidr[] = [];
  const { ipv4, ipv6 } = network;
  if (ipv4?.bridgeAddress && !network.inhibitIpv4 && ipv4.gatewayMode !== 'isolated') {
    addresses.push(ipv4.bridgeAddress);
  }
  if (ipv6?.bridgeAddress && ipv6.gatewayMode !== 'isolated') {
    addresses.push(bridgeLinkLocal, ipv6.bridgeAddress);
  }
  const mac = macFromBytes(Uint8Array.from([0x42, ...Buffer.from(network.id.slice(0, 8), 'hex')]));
  return { name: network.bridge, mac, mtu: network.mtu, addresses };
}

export function vethLinkOf(network: NetworkSpec, endpoint: EndpointSpec): VethLink {
  return {
    names: endpoint.veth,
    bridge: network.bridge,
    mtu: network.mtu,
    hairpin: !network.userlandProxy,
  };
}

/**
 * Brings a bridge to its desired state, except for `up`, which comes last of all (after the rules):
 * see {@link planLinkUp}. Addresses that are not wanted are left alone: an administrator may have
 * added them.
 */
export function planBridge(wanted: BridgeLink, found: ObservedLink | undefined): LinkStep[] {
  const steps: LinkStep[] = [];
  const link = wanted.name;
  if (found === undefined) steps.push({ kind: 'create-bridge', bridge: wanted });
  else if (wanted.mtu !== undefined && found.mtu !== wanted.mtu) {
    steps.push({ kind: 'change-link', link, change: { mtu: wanted.mtu } });
  }
  for (const address of wanted.addresses) {
    if (found?.addresses.some((other) => sameCidr(other, address))) continue;
    steps.push({ kind: 'add-address', link, address });
  }
  return steps;
}

export function planLinkUp(link: InterfaceName, found: ObservedLink | undefined): LinkStep[] {
  return found?.up ? [] : [{ kind: 'change-link', link, change: { up: true } }];
}

/**
 * Puts the host end of an endpoint that is in use back on its bridge. A missing link is not made
 * again here: its peer, inside the container, went with it.
 */
export function planVethRepair(
  wanted: VethLink,
  bridgeIndex: number | undefined,
  found: ObservedLink,
): LinkStep[] {
  const offBridge = bridgeIndex === undefined || found.master !== bridgeIndex;
  const change: LinkChange = {
    ...(offBridge ? { master: wanted.bridge } : {}),
    ...(wanted.hairpin && (offBridge || found.hairpin !== true) ? { hairpin: true } : {}),
    ...(found.up ? {} : { up: true }),
  };
  if (Object.keys(change).length === 0) return [];
  return [{ kind: 'change-link', link: wanted.names.host, change }];
}

/** `create-bridge br-0`, for logs and `--dry-run`. */
export function describeLinkStep(step: LinkStep): string {
  switch (step.kind) {
    case 'create-bridge':
      return `create bridge ${step.bridge.name}`;
    case 'create-veth':
      return `create veth ${step.veth.names.host} on ${step.veth.bridge}`;
    case 'add-address':
      return `add ${cidrText(step.address)} to ${step.link}`;
    case 'remove-address':
      return `remove ${cidrText(step.address)} from ${step.link}`;
    case 'change-link':
      return `set ${step.link} ${JSON.stringify(step.change)}`;
  }
}
