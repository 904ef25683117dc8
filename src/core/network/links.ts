/** Desired and observed links, and the steps that a segment plans from one to the other. */
import { type Cidr, cidrText, type MacAddress } from '../address.js';
import type { InterfaceName, VethNames } from '../names.js';

/** A bridge without ports, down and without addresses. */
export interface BridgeLink {
  readonly kind: 'bridge';
  readonly name: InterfaceName;
  readonly mac: MacAddress;
  /** Bytes; undefined leaves the kernel's default. */
  readonly mtu: number | undefined;
}

/** A veth pair: the host's end is a port of the bridge and up, the container's end is down. */
export interface VethLink {
  readonly kind: 'veth';
  readonly names: VethNames;
  readonly bridge: InterfaceName;
  /** MTU of both ends in bytes; undefined leaves the kernel's default. */
  readonly mtu: number | undefined;
  /** Frames may leave by the port they came in: needed without the userland proxy. */
  readonly hairpin: boolean;
  /** No frame passes between this port and another one that is isolated. */
  readonly isolated?: boolean;
  /** MAC address of the host's end; absent: the kernel chooses one at random. */
  readonly hostMac?: MacAddress;
}

/** A link to create: one member for each kind that a segment uses. */
export type LinkSpec = BridgeLink | VethLink;

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
  /** Hairpin mode of a port of a bridge; undefined for other links. */
  readonly hairpin: boolean | undefined;
  /** Isolation of a port of a bridge; undefined for other links, and of kernels before 4.18. */
  readonly isolated?: boolean | undefined;
  /** Addresses of a bridge; empty for other links. */
  readonly addresses: readonly Cidr[];
}

/** Changes to a link that exists; absent fields stay as they are. */
export interface LinkChange {
  readonly mtu?: number;
  readonly up?: boolean;
  /** Name of the bridge to become a port of. */
  readonly master?: InterfaceName;
  readonly hairpin?: boolean;
  readonly isolated?: boolean;
}

export type LinkStep =
  | { readonly kind: 'create-link'; readonly link: LinkSpec }
  | { readonly kind: 'add-address'; readonly link: InterfaceName; readonly address: Cidr }
  | { readonly kind: 'change-link'; readonly link: InterfaceName; readonly change: LinkChange };

/** `bridge br-0`, `veth pair vetha and vethb on br-0`, for logs and errors. */
export function linkLabel(link: LinkSpec): string {
  switch (link.kind) {
    case 'bridge':
      return `bridge ${link.name}`;
    case 'veth':
      return `veth pair ${link.names.host} and ${link.names.container} on ${link.bridge}`;
  }
}

/** `create bridge br-0`, for logs and `--dry-run`. */
export function describeLinkStep(step: LinkStep): string {
  switch (step.kind) {
    case 'create-link':
      return `create ${linkLabel(step.link)}`;
    case 'add-address':
      return `add ${cidrText(step.address)} to ${step.link}`;
    case 'change-link':
      return `set ${step.link} ${JSON.stringify(step.change)}`;
  }
}
