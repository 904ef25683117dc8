/**
 * Ethernet frames that tell neighbours which MAC address an IP address has now: gratuitous ARP (an ARP announcement of
 * RFC 5227 3) and unsolicited neighbour advertisements (RFC 4861 7.2.6). A neighbour that remembers another MAC address for
 * it takes this one; a neighbour that does not know the address learns nothing. Docker sends the same frames from 28 on.
 */
import {
  addressBytes,
  familyOf,
  type IpAddress,
  type MacAddress,
  macBytes,
} from '../core/address.js';

const broadcast = Buffer.from('ffffffffffff', 'hex');
/** `ff02::1`, all hosts of the link, and the MAC address that belongs to it. */
const allNodes = Buffer.from('ff020000000000000000000000000001', 'hex');
const allNodesMac = Buffer.from('333300000001', 'hex');
const etherType = { arp: Buffer.from('0806', 'hex'), ipv6: Buffer.from('86dd', 'hex') } as const;
const icmpv6 = 58;

/** The frame that tells neighbours of the address: ARP for IPv4, a neighbour advertisement for IPv6. */
export function advertisementFrame(address: IpAddress, mac: MacAddress): Buffer {
  const bytes = addressBytes(address);
  return familyOf(address) === 4
    ? gratuitousArp(bytes, macBytes(mac))
    : unsolicitedAdvertisement(bytes, macBytes(mac));
}

/** A request for the sender's own address, which nobody answers: 42 bytes. */
function gratuitousArp(address: Uint8Array, mac: Uint8Array): Buffer {
  // Ethernet (1), IPv4, lengths 6 and 4, request (1).
  const header = Buffer.from('0001080006040001', 'hex');
  const nobody = Buffer.alloc(6);
  const body = [header, mac, address, nobody, address];
  return Buffer.concat([broadcast, mac, etherType.arp, ...body]);
}

/** From the address itself to all hosts of the link, with the flag "override": 86 bytes. */
function unsolicitedAdvertisement(address: Uint8Array, mac: Uint8Array): Buffer {
  const message = Buffer.concat([
    // Type 136, code 0, room for the checksum, flag O (override).
    Buffer.from('8800000020000000', 'hex'),
    address,
    // Option 2, the target's link-layer address, of 8 bytes.
    Buffer.from('0201', 'hex'),
    mac,
  ]);
  message.writeUInt16BE(checksum(address, message), 2);
  const header = Buffer.alloc(8);
  header[0] = 6 << 4;
  header.writeUInt16BE(message.length, 4);
  header[6] = icmpv6;
  // Hosts take messages of neighbour discovery only with the hop limit 255, which no router passes on.
  header[7] = 255;
  const packet = [header, address, allNodes, message];
  return Buffer.concat([allNodesMac, mac, etherType.ipv6, ...packet]);
}

/** The checksum of an ICMPv6 message to all hosts of the link (RFC 8200 8.1); the field for it in `message` is zero. */
function checksum(source: Uint8Array, message: Buffer): number {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(message.length, 0);
  lengths[7] = icmpv6;
  const bytes = Buffer.concat([source, allNodes, lengths, message]);
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
