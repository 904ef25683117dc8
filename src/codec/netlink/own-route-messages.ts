/** Routes that carry our protocol number as rtnetlink bytes, both ways, and the kernel's reports of their removal. */
import {
  addressBytes,
  addressFromBytes,
  type Cidr,
  type Family,
  familyOfNumber,
  type IpAddress,
} from '../../core/address.js';
import { otherRouteTypes, routeProtocol } from '../../core/network/routes.js';
import type { FilterInstruction } from '../nf-tables/nft-event-filter.js';
import {
  attribute,
  flag,
  headerLength,
  messagesIn,
  type NetlinkRequest,
  readAttributes,
  readU32,
  u32,
} from './netlink-message.js';
import { mainTable, routeHeader, rtm, rtmsg, rtmsgLength, scope } from './route-header.js';

/** The multicast groups RTNLGRP_IPV4_ROUTE and RTNLGRP_IPV6_ROUTE. */
export const routeGroups = [7, 11] as const;

const rta = { destination: 1, oif: 4, gateway: 5, priority: 6, preferredSource: 7 } as const;
const read: ReadonlySet<number> = new Set(Object.values(rta));
/** RTNH_F_ONLINK: the next hop is taken to be on the link, without a look at the link's addresses. */
const onLink = 4;

/** Values of rtm_type in order, from RTN_UNICAST (1) to RTN_THROW. */
const routeTypes = ['unicast', ...otherRouteTypes] as const;
type RouteType = (typeof routeTypes)[number];

/** A route of the main table, with indexes in place of interfaces' names. */
export interface WireRoute {
  readonly type: RouteType;
  readonly destination: Cidr;
  readonly via?: IpAddress;
  /** Index of the interface; absent: the kernel finds it by the next hop. */
  readonly out?: number;
  readonly source?: IpAddress;
  /** Priority; absent: 0 for IPv4, the kernel's 1024 for IPv6. */
  readonly metric?: number;
}

/** Adds the route; EEXIST if there is another one to the destination with this metric. */
export function addOwnRouteRequest(route: WireRoute): NetlinkRequest {
  const { family } = route.destination;
  const isDirect = route.type === 'unicast' && route.via === undefined;
  const body = bodyOf(route, isDirect && family === 4 ? scope.link : scope.universe);
  // Next hop and interface are both given: the kernel then takes the route also while the bridge has no address.
  if (route.via !== undefined && route.out !== undefined) body.writeUInt32LE(onLink, rtmsg.flags);
  return { type: rtm.newRoute, flags: flag.ack | flag.create | flag.exclusive, body };
}

/** Removes the route, and none that has another protocol number. */
export function removeOwnRouteRequest(route: WireRoute): NetlinkRequest {
  return { type: rtm.deleteRoute, flags: flag.ack, body: bodyOf(route, scope.nowhere) };
}

function bodyOf(route: WireRoute, routeScope: number): Buffer {
  const { destination, via, out, source, metric } = route;
  const header = routeHeader(destination.family, {
    prefix: destination.prefixLength,
    protocol: routeProtocol,
    scope: routeScope,
    type: routeTypes.indexOf(route.type) + 1,
  });
  const parts: Buffer[] = [header];
  if (destination.prefixLength > 0) {
    parts.push(attribute(rta.destination, addressBytes(destination.address)));
  }
  if (via !== undefined) parts.push(attribute(rta.gateway, addressBytes(via)));
  if (out !== undefined) parts.push(attribute(rta.oif, u32(out)));
  if (source !== undefined) parts.push(attribute(rta.preferredSource, addressBytes(source)));
  if (metric !== undefined) parts.push(attribute(rta.priority, u32(metric)));
  return Buffer.concat(parts);
}

/** Asks for routes of the main table with our protocol number. Kernels before 4.20 send all routes of the family. */
export function listOwnRoutesRequest(family: Family): NetlinkRequest {
  const body = routeHeader(family, { protocol: routeProtocol });
  return { type: rtm.getRoute, flags: flag.dump, body };
}

/** Reads a route of the main table with our protocol number; undefined for everything else. */
export function parseOwnRoute(type: number, body: Buffer): WireRoute | undefined {
  if (type !== rtm.newRoute || body.length < rtmsgLength) return undefined;
  if (body[rtmsg.table] !== mainTable || body[rtmsg.protocol] !== routeProtocol) return undefined;
  const family = familyOfNumber(body[rtmsg.family]);
  const kind = routeTypes[(body[rtmsg.type] ?? 0) - 1];
  if (family === undefined || kind === undefined) return undefined;
  const attributes = readAttributes(body.subarray(rtmsgLength), read);
  const addressOf = (type: number): IpAddress | undefined => {
    const bytes = attributes.get(type);
    return bytes?.length === (family === 4 ? 4 : 16) ? addressFromBytes(bytes) : undefined;
  };
  const none = addressFromBytes(new Uint8Array(family === 4 ? 4 : 16));
  const address = addressOf(rta.destination) ?? none;
  const via = addressOf(rta.gateway);
  const out = readU32(attributes, rta.oif);
  const source = addressOf(rta.preferredSource);
  const metric = readU32(attributes, rta.priority);
  return {
    type: kind,
    destination: { family, address, prefixLength: body[rtmsg.prefix] ?? 0 },
    ...(via === undefined ? {} : { via }),
    ...(out === undefined ? {} : { out }),
    ...(source === undefined ? {} : { source }),
    ...(metric === undefined ? {} : { metric }),
  };
}

/** Whether a datagram of the kernel's reports says that a route with our protocol number was removed. */
export function tellsOfRemovedRoute(datagram: Buffer): boolean {
  return [...messagesIn(datagram)].some(
    ({ type, start }) =>
      type === rtm.deleteRoute && datagram[start + rtmsg.protocol] === routeProtocol,
  );
}

/** Of classic BPF: BPF_LD with BPF_B and BPF_ABS, BPF_JMP with BPF_JEQ, BPF_RET. */
const filterCode = { loadByte: 0x30, ifEqual: 0x15, return: 0x06 } as const;
/** Of struct nlmsghdr; all types of rtnetlink that the socket hears of fit into its lower byte. */
const typeAt = 4;

/**
 * A socket filter that drops reports of routes, but for the removal of those with our protocol number: a host that
 * routes for others may have a million, which come and go. The kernel puts each report into a datagram of its own.
 */
export const routeReportFilter: readonly FilterInstruction[] = [
  { code: filterCode.loadByte, jumpTrue: 0, jumpFalse: 0, operand: typeAt },
  { code: filterCode.ifEqual, jumpTrue: 4, jumpFalse: 0, operand: rtm.newRoute },
  { code: filterCode.ifEqual, jumpTrue: 0, jumpFalse: 2, operand: rtm.deleteRoute },
  { code: filterCode.loadByte, jumpTrue: 0, jumpFalse: 0, operand: headerLength + rtmsg.protocol },
  { code: filterCode.ifEqual, jumpTrue: 0, jumpFalse: 1, operand: routeProtocol },
  { code: filterCode.return, jumpTrue: 0, jumpFalse: 0, operand: 0xffffffff },
  { code: filterCode.return, jumpTrue: 0, jumpFalse: 0, operand: 0 },
];
