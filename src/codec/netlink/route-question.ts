/** One question to the kernel's routing (`ip route get`) as rtnetlink bytes, and its answer as a value. */
import {
  addressBytes,
  addressFromBytes,
  type Family,
  familyNumber,
  type IpAddress,
} from '../../core/address.js';
import {
  attribute,
  flag,
  type NetlinkRequest,
  readAttributes,
  readU32,
  u8,
  u16Be,
  u32,
} from './netlink-message.js';

const rtm = { newRoute: 24, getRoute: 26 } as const;
const rta = {
  destination: 1,
  source: 2,
  iif: 3,
  oif: 4,
  gateway: 5,
  preferredSource: 7,
  mark: 16,
  protocol: 27,
  sourcePort: 28,
  destinationPort: 29,
} as const;

/** What the kernel is asked: what it would do with such a packet. */
export interface RouteLookup {
  readonly family: Family;
  readonly destination: IpAddress;
  readonly source?: IpAddress;
  /** Index of the interface that it comes by; absent: it is made on the host. */
  readonly inInterface?: number;
  readonly mark: number;
  readonly tos: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** Protocols whose ports the kernel takes in such a question; it refuses the others. */
const askable: ReadonlySet<number> = new Set([6, 17]);

export function routeRequest(lookup: RouteLookup): NetlinkRequest {
  const { family, destination, source, inInterface, mark, tos, protocol } = lookup;
  const header = Buffer.alloc(12);
  const bits = family === 4 ? 32 : 128;
  header[0] = familyNumber[family];
  header[1] = bits;
  header[2] = source === undefined ? 0 : bits;
  // The kernel refuses a question with the two bits of ECN in it.
  header[3] = family === 4 ? tos & 0xfc : 0;
  const parts = [header, attribute(rta.destination, addressBytes(destination))];
  if (source !== undefined) parts.push(attribute(rta.source, addressBytes(source)));
  if (inInterface !== undefined) parts.push(attribute(rta.iif, u32(inInterface)));
  if (mark !== 0) parts.push(attribute(rta.mark, u32(mark)));
  if (askable.has(protocol)) {
    parts.push(attribute(rta.protocol, u8(protocol)));
    if (lookup.sourcePort !== 0) parts.push(attribute(rta.sourcePort, u16Be(lookup.sourcePort)));
    if (lookup.destinationPort !== 0) {
      parts.push(attribute(rta.destinationPort, u16Be(lookup.destinationPort)));
    }
  }
  return { type: rtm.getRoute, flags: flag.ack, body: Buffer.concat(parts) };
}

const routeTypes = [
  ...['unspecified', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole'],
  ...['unreachable', 'prohibit', 'throw', 'nat'],
] as const;

export interface FoundRoute {
  readonly type: string;
  /** Index of the interface by which the packet leaves. */
  readonly outInterface?: number;
  readonly gateway?: IpAddress;
  /** The source address that the kernel gives a packet of the host that has none. */
  readonly source?: IpAddress;
}

/** Reads the answer; undefined for a message that is no route. */
export function readFoundRoute(type: number, body: Buffer): FoundRoute | undefined {
  if (type !== rtm.newRoute || body.length < 12) return undefined;
  const attributes = readAttributes(body.subarray(12));
  const address = (key: number) => {
    const bytes = attributes.get(key);
    return bytes === undefined ? undefined : addressFromBytes(bytes);
  };
  const outInterface = readU32(attributes, rta.oif);
  const gateway = address(rta.gateway);
  const source = address(rta.preferredSource);
  return {
    type: routeTypes[body[7] ?? 0] ?? 'unspecified',
    ...(outInterface === undefined ? {} : { outInterface }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(source === undefined ? {} : { source }),
  };
}
