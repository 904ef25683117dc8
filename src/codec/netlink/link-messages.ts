/** Requests for links as rtnetlink bytes, and its replies as values. */
import { type MacAddress, macBytes, macOf } from '../../core/address.js';
import type { BridgeLink, VethLink } from '../../core/network/links.js';
import {
  attribute,
  flag,
  group,
  type NetlinkRequest,
  nested,
  readAttributes,
  readNested,
  readText,
  readU8,
  readU32,
  text,
  u8,
  u32,
} from './netlink-message.js';

const rtm = { newLink: 16, deleteLink: 17, getLink: 18, setLink: 19 } as const;
const ifla = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  queueLength: 13,
  linkInfo: 18,
  namespaceFd: 28,
  extMask: 29,
  linkNamespace: 37,
} as const;
const info = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const;
const vethPeer = 1;
/** IFLA_BRPORT_MODE, which `ip` calls hairpin. */
const portHairpin = 4;
/** IFLA_BRPORT_ISOLATED, since Linux 4.18. */
const portIsolated = 33;
const ifUp = 1;
/** RTEXT_FILTER_SKIP_STATS: replies without counters are a third as long. */
const skipStats = 8;

/** struct ifinfomsg. `up` undefined leaves the flag as it is. */
function linkHeader(index: number, up?: boolean): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeInt32LE(index, 4);
  if (up !== undefined) {
    bytes.writeUInt32LE(up ? ifUp : 0, 8);
    bytes.writeUInt32LE(ifUp, 12);
  }
  return bytes;
}

const nameAttribute = (name: string) => attribute(ifla.name, text(name));
const optionalMtu = (mtu: number | undefined) =>
  mtu === undefined ? [] : [attribute(ifla.mtu, u32(mtu))];
const acknowledged = flag.ack;
const createNew = flag.ack | flag.create | flag.exclusive;

/**
 * A bridge, down. Without its MTU even if it has one: an MTU of the creating message does not count
 * as set by the user, so the bridge would go back to the lowest of its ports (or to 1500) whenever
 * a port comes or goes (br_mtu_auto_adjust; seen on 6.18). It must be set afterwards.
 */
export function createBridgeRequest(bridge: Pick<BridgeLink, 'name' | 'mac'>): NetlinkRequest {
  const body = Buffer.concat([
    linkHeader(0),
    attribute(ifla.address, macBytes(bridge.mac)),
    nameAttribute(bridge.name),
    group(ifla.linkInfo, attribute(info.kind, Buffer.from('bridge'))),
  ]);
  return { type: rtm.newLink, flags: createNew, body };
}

/**
 * Both ends at once: MTU and queue length 0 on both (as Docker), the host end up and a port of the
 * bridge with this index. The kernel undoes all of it if any of it fails. Hairpin mode is not in
 * it: port options are ignored when a link is created.
 */
export function createVethRequest(veth: VethLink, bridgeIndex: number): NetlinkRequest {
  const common = [...optionalMtu(veth.mtu), attribute(ifla.queueLength, u32(0))];
  const peer = group(vethPeer, linkHeader(0), ...common, nameAttribute(veth.names.container));
  const body = Buffer.concat([
    linkHeader(0, true),
    ...common,
    ...(veth.hostMac === undefined ? [] : [attribute(ifla.address, macBytes(veth.hostMac))]),
    attribute(ifla.master, u32(bridgeIndex)),
    nameAttribute(veth.names.host),
    group(ifla.linkInfo, attribute(info.kind, Buffer.from('veth')), group(info.data, peer)),
  ]);
  return { type: rtm.newLink, flags: createNew, body };
}

/**
 * A veth pair of two namespaces, both ends down: `inside` where the request is sent, `outside` in the namespace that
 * the descriptor is of. So there is no moment in which both ends are in one, and the kernel deletes both with either
 * namespace.
 */
export function createPairRequest(
  inside: string,
  outside: { readonly name: string; readonly namespaceFd: number },
  mtu: number,
): NetlinkRequest {
  const common = [attribute(ifla.mtu, u32(mtu))];
  const peer = group(
    vethPeer,
    linkHeader(0),
    ...common,
    nameAttribute(outside.name),
    attribute(ifla.namespaceFd, u32(outside.namespaceFd)),
  );
  const body = Buffer.concat([
    linkHeader(0),
    ...common,
    nameAttribute(inside),
    group(ifla.linkInfo, attribute(info.kind, Buffer.from('veth')), group(info.data, peer)),
  ]);
  return { type: rtm.newLink, flags: createNew, body };
}

/** Makes an ifb, which is down: a device that lets what is led to it go on to where it was going. */
export function createIfbRequest(name: string): NetlinkRequest {
  const body = Buffer.concat([
    linkHeader(0),
    nameAttribute(name),
    group(ifla.linkInfo, attribute(info.kind, Buffer.from('ifb'))),
  ]);
  return { type: rtm.newLink, flags: createNew, body };
}

/** Options of a bridge's port; absent ones stay as they are. */
export interface PortOptions {
  readonly hairpin?: boolean;
  readonly isolated?: boolean;
}

const portFlag = (type: number, on: boolean | undefined) =>
  on === undefined ? [] : [attribute(type, u8(on ? 1 : 0))];

/** Port options go through NEWLINK without CREATE: SETLINK acknowledges them and does nothing. */
export function portRequest(name: string, options: PortOptions): NetlinkRequest {
  const { hairpin, isolated } = options;
  const body = Buffer.concat([
    linkHeader(0),
    nameAttribute(name),
    group(
      ifla.linkInfo,
      attribute(info.slaveKind, Buffer.from('bridge')),
      group(info.slaveData, ...portFlag(portHairpin, hairpin), ...portFlag(portIsolated, isolated)),
    ),
  ]);
  return { type: rtm.newLink, flags: acknowledged, body };
}

/** What SETLINK can change in one message. */
export interface LinkSetting {
  readonly mtu?: number;
  readonly up?: boolean;
  /** Index of a bridge; 0 takes the link off its bridge. */
  readonly master?: number;
  readonly mac?: MacAddress;
  /** A new name; the link is then addressed by index, and must be down on kernels before 6.2. */
  readonly rename?: string;
  /** File descriptor of the network namespace to move to. */
  readonly namespaceFd?: number;
}

/** @param link name or index */
export function setLinkRequest(link: string | number, setting: LinkSetting): NetlinkRequest {
  const { mtu, up, master, mac, rename, namespaceFd } = setting;
  const parts = [linkHeader(typeof link === 'number' ? link : 0, up)];
  if (namespaceFd !== undefined) parts.push(attribute(ifla.namespaceFd, u32(namespaceFd)));
  if (typeof link === 'string') parts.push(nameAttribute(link));
  else if (rename !== undefined) parts.push(nameAttribute(rename));
  parts.push(...optionalMtu(mtu));
  if (mac !== undefined) parts.push(attribute(ifla.address, macBytes(mac)));
  if (master !== undefined) parts.push(attribute(ifla.master, u32(master)));
  return { type: rtm.setLink, flags: acknowledged, body: Buffer.concat(parts) };
}

/** @param link name or index */
export function getLinkRequest(link: string | number): NetlinkRequest {
  const body = Buffer.concat([
    linkHeader(typeof link === 'number' ? link : 0),
    attribute(ifla.extMask, u32(skipStats)),
    ...(typeof link === 'string' ? [nameAttribute(link)] : []),
  ]);
  return { type: rtm.getLink, flags: acknowledged, body };
}

/** The answers may contain links of other kinds: a kernel without a link of this kind yet sends all. */
export function listLinksRequest(kind: 'bridge' | 'veth' | 'ifb'): NetlinkRequest {
  const body = Buffer.concat([
    linkHeader(0),
    attribute(ifla.extMask, u32(skipStats)),
    nested(ifla.linkInfo, attribute(info.kind, Buffer.from(kind))),
  ]);
  return { type: rtm.getLink, flags: flag.dump, body };
}

/**
 * Lists the ports of a bridge. The answers may contain other links: a kernel that does not choose by master sends all.
 *
 * @param master index of the bridge
 */
export function listPortsRequest(master: number): NetlinkRequest {
  const body = Buffer.concat([
    linkHeader(0),
    attribute(ifla.extMask, u32(skipStats)),
    attribute(ifla.master, u32(master)),
  ]);
  return { type: rtm.getLink, flags: flag.dump, body };
}

/** Deletes a link; with a veth, its peer goes, too. */
export function deleteLinkRequest(name: string): NetlinkRequest {
  const body = Buffer.concat([linkHeader(0), nameAttribute(name)]);
  return { type: rtm.deleteLink, flags: acknowledged, body };
}

/** A link of a dump or a look-up; addresses come from another dump. */
export interface LinkReply {
  readonly index: number;
  readonly name: string;
  readonly kind: string | undefined;
  readonly up: boolean;
  readonly mtu: number;
  readonly master: number | undefined;
  readonly hairpin: boolean | undefined;
  readonly isolated: boolean | undefined;
}

const shownOfLinks: ReadonlySet<number> = new Set([
  ifla.name,
  ifla.mtu,
  ifla.master,
  ifla.linkInfo,
]);

/** Reads a link; undefined for other messages. */
export function parseLink(type: number, body: Buffer): LinkReply | undefined {
  if (type !== rtm.newLink || body.length < 16) return undefined;
  const attributes = readAttributes(body.subarray(16), shownOfLinks);
  const linkInfo = readNested(attributes, ifla.linkInfo);
  const isPort = readText(linkInfo, info.slaveKind) === 'bridge';
  const port = isPort ? readNested(linkInfo, info.slaveData) : new Map<number, Buffer>();
  const on = (type: number): boolean | undefined => {
    const value = readU8(port, type);
    return value === undefined ? undefined : value !== 0;
  };
  return {
    index: body.readInt32LE(4),
    name: readText(attributes, ifla.name) ?? '',
    kind: readText(linkInfo, info.kind),
    up: (body.readUInt32LE(8) & ifUp) !== 0,
    mtu: readU32(attributes, ifla.mtu) ?? 0,
    master: readU32(attributes, ifla.master),
    hairpin: on(portHairpin),
    isolated: on(portIsolated),
  };
}

const shownOfPeers: ReadonlySet<number> = new Set([ifla.link, ifla.linkNamespace]);

/**
 * Reads the other end of a veth pair from the kernel's answer about one end: its index, and whether it is in another
 * network namespace. undefined: the link has no other end.
 */
export function parseLinkedTo(
  body: Buffer,
): { readonly index: number; readonly isElsewhere: boolean } | undefined {
  const attributes = readAttributes(body.subarray(16), shownOfPeers);
  const index = readU32(attributes, ifla.link);
  // The kernel names the namespace of the other end only if that differs from the namespace of this end.
  return index ? { index, isElsewhere: attributes.has(ifla.linkNamespace) } : undefined;
}

const shownOfAddress = new Set<number>([ifla.address]);

/** The MAC address in the kernel's answer about a link; undefined for a link whose address does not have 6 bytes, such as a tunnel. */
export function parseMacAddress(body: Buffer): MacAddress | undefined {
  const bytes = readAttributes(body.subarray(16), shownOfAddress).get(ifla.address);
  return bytes?.length === 6 ? macOf(bytes) : undefined;
}
