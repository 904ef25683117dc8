/**
 * Messages of rtnetlink that add, remove and list proxy entries: addresses of others for which the host answers ARP
 * requests and neighbour solicitations.
 */
import {
  addressBytes,
  addressFromBytes,
  type Family,
  familyNumber,
  familyOf,
  familyOfNumber,
  type IpAddress,
} from '../../core/address.js';
import { routeProtocol } from '../../core/network/routes.js';
import { attribute, flag, type NetlinkRequest, readAttributes, u8 } from './netlink-message.js';

const rtm = { newNeighbour: 28, deleteNeighbour: 29, getNeighbour: 30 } as const;
const nda = { destination: 1, protocol: 12 } as const;
/** NTF_PROXY: a proxy entry, in place of a neighbour that was found. */
const proxyFlag = 8;
/** struct ndmsg. */
const headerBytes = 12;
const at = { family: 0, interface: 4, flags: 10 } as const;

export interface WireProxy {
  readonly address: IpAddress;
  /** Index of the interface. */
  readonly interface: number;
  /** Whether the entry has our protocol number (201): the daemon added it. */
  readonly isOurs: boolean;
}

function bodyOf(address: IpAddress, index: number): Buffer {
  const header = Buffer.alloc(headerBytes);
  header[at.family] = familyNumber[familyOf(address)];
  header.writeInt32LE(index, at.interface);
  header[at.flags] = proxyFlag;
  return Buffer.concat([
    header,
    attribute(nda.destination, addressBytes(address)),
    attribute(nda.protocol, u8(routeProtocol)),
  ]);
}

/** Adds an entry. An entry that exists already gets our protocol number. */
export function addProxyRequest(address: IpAddress, index: number): NetlinkRequest {
  return { type: rtm.newNeighbour, flags: flag.ack | flag.create, body: bodyOf(address, index) };
}

export function removeProxyRequest(address: IpAddress, index: number): NetlinkRequest {
  return { type: rtm.deleteNeighbour, flags: flag.ack, body: bodyOf(address, index) };
}

/** Asks for the entries of a family. */
export function listProxiesRequest(family: Family): NetlinkRequest {
  const body = Buffer.alloc(headerBytes);
  body[at.family] = familyNumber[family];
  body[at.flags] = proxyFlag;
  return { type: rtm.getNeighbour, flags: flag.dump, body };
}

/** Reads a proxy entry; undefined for other messages, and for neighbours that are not proxy entries. */
export function parseProxy(type: number, body: Buffer): WireProxy | undefined {
  if (type !== rtm.newNeighbour || body.length < headerBytes) return undefined;
  const family = familyOfNumber(body[at.family]);
  if (family === undefined || ((body[at.flags] ?? 0) & proxyFlag) === 0) return undefined;
  const attributes = readAttributes(body.subarray(headerBytes));
  const bytes = attributes.get(nda.destination);
  if (bytes?.length !== (family === 4 ? 4 : 16)) return undefined;
  return {
    address: addressFromBytes(bytes),
    interface: body.readInt32LE(at.interface),
    isOurs: attributes.get(nda.protocol)?.[0] === routeProtocol,
  };
}
