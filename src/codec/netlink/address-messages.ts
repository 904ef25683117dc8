/** Requests for the addresses of links as rtnetlink bytes, and its replies as values. */
import {
  addressBytes,
  addressFromBytes,
  type Cidr,
  familyNumber,
  familyOfNumber,
} from '../../core/address.js';
import { attribute, flag, type NetlinkRequest, readAttributes } from './netlink-message.js';

const rtm = { newAddress: 20, delAddress: 21, getAddress: 22 } as const;
const ifa = { address: 1, local: 2, broadcast: 4 } as const;
const ifaNoDad = 2;

/** struct ifaddrmsg, IFA_LOCAL and IFA_ADDRESS. */
function addressBody(index: number, cidr: Cidr, broadcast: boolean): Buffer {
  const header = Buffer.alloc(8);
  header[0] = familyNumber[cidr.family];
  header[1] = cidr.prefixLength;
  // Duplicate address detection would keep the address unusable for a second or two, and for ever
  // on a bridge without ports. IPAM assigns the addresses, so no other host has them.
  header[2] = cidr.family === 6 ? ifaNoDad : 0;
  header.writeUInt32LE(index, 4);
  const bytes = addressBytes(cidr.address);
  const parts = [header, attribute(ifa.local, bytes), attribute(ifa.address, bytes)];
  if (broadcast) parts.push(attribute(ifa.broadcast, broadcastOf(bytes, cidr.prefixLength)));
  return Buffer.concat(parts);
}

function broadcastOf(bytes: Uint8Array, prefixLength: number): Uint8Array {
  return bytes.map((byte, index) => {
    const kept = Math.max(0, Math.min(8, prefixLength - index * 8));
    return byte | (0xff >> kept);
  });
}

/** IPv4 with its broadcast address, as Docker sets it; IPv6 without duplicate detection. */
export function addAddressRequest(index: number, cidr: Cidr): NetlinkRequest {
  const broadcast = cidr.family === 4 && cidr.prefixLength < 31;
  return {
    type: rtm.newAddress,
    flags: flag.ack | flag.create | flag.exclusive,
    body: addressBody(index, cidr, broadcast),
  };
}

export function removeAddressRequest(index: number, cidr: Cidr): NetlinkRequest {
  return { type: rtm.delAddress, flags: flag.ack, body: addressBody(index, cidr, false) };
}

/**
 * Asks for addresses of both families.
 *
 * @param index of the one link whose addresses are meant; kernels before 4.20 send those of all links
 */
export function listAddressesRequest(index = 0): NetlinkRequest {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(index, 4);
  return { type: rtm.getAddress, flags: flag.dump, body: header };
}

/** Reads an address; undefined for other messages, and for addresses of other links than `links`, if these are given. */
export function parseAddress(
  type: number,
  body: Buffer,
  links?: ReadonlySet<number>,
): { index: number; cidr: Cidr } | undefined {
  if (type !== rtm.newAddress || body.length < 8) return undefined;
  if (links?.has(body.readUInt32LE(4)) === false) return undefined;
  const family = familyOfNumber(body[0]);
  if (family === undefined) return undefined;
  const attributes = readAttributes(body.subarray(8));
  // On point-to-point links IFA_ADDRESS is the other end; without IFA_LOCAL it is our own.
  const bytes = attributes.get(ifa.local) ?? attributes.get(ifa.address);
  if (bytes?.length !== (family === 4 ? 4 : 16)) return undefined;
  const address = addressFromBytes(bytes);
  return {
    index: body.readUInt32LE(4),
    cidr: { family, address, prefixLength: body[1] ?? 0 },
  };
}
