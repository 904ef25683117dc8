/** Requests for routes as rtnetlink bytes, and its replies as values. */
import {
  addressBytes,
  addressFromBytes,
  type Cidr,
  type Family,
  familyOfNumber,
  type IpAddress,
} from '../../core/address.js';
import {
  attribute,
  flag,
  type NetlinkRequest,
  readAttributes,
  readU32,
  u32,
} from './netlink-message.js';
import { mainTable, routeHeader, rtm, rtmsg, rtmsgLength, scope } from './route-header.js';

const rta = { destination: 1, oif: 4, gateway: 5, multipath: 9 } as const;
const unicast = 1;
/** RTPROT_BOOT, what `ip` and Docker's engine use for routes that a program adds. */
const protocolBoot = 3;
/** RTM_F_CLONED: an entry of the cache, not a route. */
const cloned = 0x200;

/** A route of the main table. Without a gateway the destination is on the link itself. */
export function addRouteRequest(
  index: number,
  destination: Cidr,
  gateway: IpAddress | undefined,
): NetlinkRequest {
  const { family, prefixLength, address } = destination;
  // The scope has no meaning for IPv6; the kernel keeps it at universe.
  const routeScope = gateway === undefined && family === 4 ? scope.link : scope.universe;
  const header = { prefix: prefixLength, protocol: protocolBoot, scope: routeScope, type: unicast };
  const parts = [routeHeader(family, header)];
  if (prefixLength > 0) parts.push(attribute(rta.destination, addressBytes(address)));
  if (gateway !== undefined) parts.push(attribute(rta.gateway, addressBytes(gateway)));
  parts.push(attribute(rta.oif, u32(index)));
  const flags = flag.ack | flag.create | flag.exclusive;
  return { type: rtm.newRoute, flags, body: Buffer.concat(parts) };
}

/** Unicast routes of the main table. Kernels before 4.20 send all routes of the family. */
export function listRoutesRequest(family: Family): NetlinkRequest {
  const body = routeHeader(family, { type: unicast });
  return { type: rtm.getRoute, flags: flag.dump, body };
}

export interface RouteReply {
  readonly destination: Cidr;
  /** Index of the interface of the route, or of its first next hop. */
  readonly interfaceIndex: number | undefined;
}

/**
 * A parser of answers: undefined for what is not a unicast route of the main table that shares an
 * address with one of these subnets, and for default routes.
 */
export function routeParser(
  subnets: readonly Cidr[],
): (type: number, body: Buffer) => RouteReply | undefined {
  const prefixes = subnets.map(({ address, prefixLength }) => ({
    bytes: addressBytes(address),
    prefixLength,
  }));
  return (type, body) => parseRoute(prefixes, type, body);
}

interface Prefix {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;
}

function parseRoute(
  subnets: readonly Prefix[],
  type: number,
  body: Buffer,
): RouteReply | undefined {
  if (type !== rtm.newRoute || body.length < rtmsgLength) return undefined;
  const family = familyOfNumber(body[rtmsg.family]);
  // The header alone rules out most routes: three of four are in the table of local addresses. (For a table
  // whose number does not fit there, the kernel writes another number than the main table's.)
  if (body[rtmsg.table] !== mainTable) return undefined;
  const attributes = readAttributes(body.subarray(rtmsgLength));
  const isCached = (body.readUInt32LE(rtmsg.flags) & cloned) !== 0;
  if (family === undefined || body[rtmsg.type] !== unicast || isCached) {
    return undefined;
  }
  const bytes = attributes.get(rta.destination);
  const prefixLength = body[rtmsg.prefix] ?? 0;
  if (bytes?.length !== (family === 4 ? 4 : 16) || prefixLength === 0) return undefined;
  // Compared as bytes: a host can have a million routes, and a text of each would take seconds.
  if (!subnets.some((subnet) => overlap(subnet, { bytes, prefixLength }))) return undefined;
  const multipath = attributes.get(rta.multipath);
  return {
    destination: { family, address: addressFromBytes(bytes), prefixLength },
    interfaceIndex:
      readU32(attributes, rta.oif) ??
      (multipath !== undefined && multipath.length >= 8 ? multipath.readInt32LE(4) : undefined),
  };
}

/** Whether the bits that both prefixes have are the same. */
function overlap(one: Prefix, other: Prefix): boolean {
  if (one.bytes.length !== other.bytes.length) return false;
  const shared = Math.min(one.prefixLength, other.prefixLength);
  for (let bit = 0; bit < shared; bit += 8) {
    const mask = (0xff00 >> Math.min(8, shared - bit)) & 0xff;
    const difference = (one.bytes[bit >> 3] ?? 0) ^ (other.bytes[bit >> 3] ?? 0);
    if ((difference & mask) !== 0) return false;
  }
  return true;
}
