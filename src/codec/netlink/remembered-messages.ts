/**
 * Messages of rtnetlink about what the host remembers of MAC addresses: neighbours (which MAC address an IP address has)
 * and forwarding entries of bridges (behind which port a MAC address is).
 */
import {
  addressBytes,
  familyNumber,
  familyOf,
  type IpAddress,
  type MacAddress,
  macBytes,
  macOf,
} from '../../core/address.js';
import { attribute, flag, type NetlinkRequest, readAttributes, u32 } from './netlink-message.js';

const rtm = { newNeighbour: 28, deleteNeighbour: 29, getNeighbour: 30 } as const;
const nda = { destination: 1, macAddress: 2, master: 9 } as const;
/** AF_BRIDGE: a forwarding entry of a bridge. */
const bridgeFamily = 7;
/** NTF_MASTER: the request is for the bridge that the interface is a port of. */
const masterFlag = 4;
/** NUD_STALE: the kernel confirms the neighbour when it uses it next. */
const stale = 0x04;
/** NUD_NOARP, NUD_PERMANENT: an administrator has set it, or it is an address of the host itself. */
const fixed = 0x40 | 0x80;
/** struct ndmsg. */
const headerBytes = 12;
const at = { family: 0, interface: 4, state: 8, flags: 10 } as const;

/** One entry that the kernel remembers: a neighbour, or a forwarding entry of a bridge. */
export interface Remembered {
  /** Index of the interface: the neighbour's, or the bridge's port. */
  readonly interface: number;
  /** Absent: the neighbour has not answered yet. */
  readonly mac?: MacAddress;
  /** Whether an administrator has set the entry, or the address is the host's own: the driver does not change such entries. */
  readonly isFixed: boolean;
}

function header(family: number, index: number, { state = 0, flags = 0 } = {}): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes[at.family] = family;
  bytes.writeInt32LE(index, at.interface);
  bytes.writeUInt16LE(state, at.state);
  bytes[at.flags] = flags;
  return bytes;
}

/** Asks for what the host remembers of a neighbour (Linux 5.0). @param index of the interface */
export function getNeighbourRequest(address: IpAddress, index: number): NetlinkRequest {
  const body = Buffer.concat([
    header(familyNumber[familyOf(address)], index),
    attribute(nda.destination, addressBytes(address)),
  ]);
  return { type: rtm.getNeighbour, flags: flag.ack, body };
}

/** Replaces the MAC address that the host remembers for a neighbour. The kernel confirms the new one when it uses it next. */
export function changeNeighbourRequest(
  address: IpAddress,
  index: number,
  mac: MacAddress,
): NetlinkRequest {
  const body = Buffer.concat([
    header(familyNumber[familyOf(address)], index, { state: stale }),
    attribute(nda.destination, addressBytes(address)),
    attribute(nda.macAddress, macBytes(mac)),
  ]);
  return { type: rtm.newNeighbour, flags: flag.ack | flag.replace, body };
}

/** Asks for the port of a bridge behind which a MAC address is (Linux 5.0). @param bridge index of the bridge */
export function getForwardingRequest(mac: MacAddress, bridge: number): NetlinkRequest {
  const body = Buffer.concat([
    header(bridgeFamily, 0),
    attribute(nda.macAddress, macBytes(mac)),
    attribute(nda.master, u32(bridge)),
  ]);
  return { type: rtm.getNeighbour, flags: flag.ack, body };
}

/** Removes the forwarding entry of a MAC address. @param port index of the bridge's port that the entry names */
export function removeForwardingRequest(mac: MacAddress, port: number): NetlinkRequest {
  const body = Buffer.concat([
    header(bridgeFamily, port, { flags: masterFlag }),
    attribute(nda.macAddress, macBytes(mac)),
  ]);
  return { type: rtm.deleteNeighbour, flags: flag.ack, body };
}

/** Reads an answer to {@link getNeighbourRequest} or {@link getForwardingRequest}; undefined for other messages. */
export function parseRemembered(type: number, body: Buffer): Remembered | undefined {
  if (type !== rtm.newNeighbour || body.length < headerBytes) return undefined;
  const mac = readAttributes(body.subarray(headerBytes)).get(nda.macAddress);
  return {
    interface: body.readInt32LE(at.interface),
    ...(mac?.length === 6 ? { mac: macOf(mac) } : {}),
    isFixed: (body.readUInt16LE(at.state) & fixed) !== 0,
  };
}
