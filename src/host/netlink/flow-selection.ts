/** Selects tracked flows, and plans how the kernel finds them at the least cost. */

import type { Flow, FlowFilter, NarrowFilter } from '../../codec/netlink/conntrack-messages.js';
import {
  addressBytes,
  type Family,
  familyOf,
  type IpAddress,
  type Ipv4Address,
} from '../../core/address.js';
import { type Port, protocolNumber } from '../../core/ports/port.js';

export type FlowSelector =
  /** UDP flows whose first packet went to this port, or came from it, at whatever address. */
  | { readonly kind: 'udp-to' | 'udp-from'; readonly family: Family; readonly port: Port }
  /** Flows whose replies come from or go to this address. */
  | { readonly kind: 'container'; readonly address: IpAddress };

/**
 * A removal by filter skips empty buckets without a lock: 0.3 ms for 262,144 of them, where a dump
 * takes 11 ms (Linux 6.18). For more than so many, one dump is less work.
 */
const mostRemovals = 30;

export interface FlowPlan {
  /** What the kernel can remove by itself, if it is new enough. */
  readonly removals: readonly NarrowFilter[];
  /** What has to be searched for in a dump. */
  readonly listed: readonly FlowSelector[];
}

export function planRemovals(selectors: readonly FlowSelector[]): FlowPlan {
  const narrow = selectors.flatMap((selector) => filtersOf(selector) ?? []);
  if (narrow.length > mostRemovals) return { removals: [], listed: selectors };
  const listed = selectors.filter((selector) => filtersOf(selector) === undefined);
  return { removals: narrow, listed };
}

/**
 * A filtered dump still walks through the kernel's whole table, whose size goes by the memory of
 * the host: 3 to 11 ms for 262,144 buckets. As long takes it to send and read this many flows.
 */
const flowsPerWalk = 1000;

/** The dumps that list at least the selected flows. @param tracked how many flows this namespace has */
export function planDumps(selectors: readonly FlowSelector[], tracked: number): FlowFilter[] {
  return ([4, 6] as const).flatMap((family): FlowFilter[] => {
    const own = selectors.filter((selector) => familyOfSelector(selector) === family);
    if (own.length === 0) return [];
    const filters = own.map(filtersOf);
    const narrow = filters.flatMap((each) => each ?? []);
    const isFiltered = !filters.includes(undefined);
    return isFiltered && (narrow.length - 1) * flowsPerWalk < tracked
      ? narrow
      : [{ kind: 'family', family }];
  });
}

/** The kernel's filters for the selected flows; undefined if it has none for them. */
function filtersOf(selector: FlowSelector): NarrowFilter[] | undefined {
  if (selector.kind !== 'container') return [selector];
  // The kernel's comparison of IPv6 addresses has its result the wrong way around: it leaves out
  // just those flows that match (seen on 6.18).
  if (familyOf(selector.address) === 6) return undefined;
  const address = selector.address as Ipv4Address;
  return [
    { kind: 'reply-source', address },
    { kind: 'reply-destination', address },
  ];
}

function familyOfSelector(selector: FlowSelector): Family {
  return selector.kind === 'container' ? familyOf(selector.address) : selector.family;
}

/** Whether a flow is selected: a dump may contain others, too. */
export function flowMatcher(selectors: readonly FlowSelector[]): (flow: Flow) => boolean {
  /** Selected ports: `udp-to 4 5353`. */
  const ports = new Set<string>();
  const addresses = new Set<IpAddress>();
  for (const selector of selectors) {
    if (selector.kind === 'container') addresses.add(selector.address);
    else ports.add(`${selector.kind} ${selector.family} ${selector.port}`);
  }
  return ({ family, protocol, sourcePort, destinationPort, replySource, replyDestination }) =>
    addresses.has(replySource) ||
    addresses.has(replyDestination) ||
    (protocol === protocolNumber.udp &&
      (ports.has(`udp-to ${family} ${destinationPort}`) ||
        ports.has(`udp-from ${family} ${sourcePort}`)));
}

/** For more addresses than this, parsing a datagram takes less time than looking for each of them. */
const mostNeedles = 16;

/**
 * Whether a datagram of many flows can contain a selected one: parsing a flow takes fifty times as long as
 * searching for the bytes of an address.
 */
export function datagramMatcher(selectors: readonly FlowSelector[]): (datagram: Buffer) => boolean {
  const needles: Buffer[] = [];
  for (const selector of selectors) {
    if (selector.kind !== 'container') return () => true;
    needles.push(Buffer.from(addressBytes(selector.address)));
  }
  if (needles.length > mostNeedles) return () => true;
  return (datagram) => needles.some((needle) => datagram.includes(needle));
}
