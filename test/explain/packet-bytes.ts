/** A packet of the simulation as the bytes that it would have on a wire. */
import { addressBytes } from '../../src/core/address.js';
import { ipProtocols, type Packet } from '../../src/core/explain/packet.js';

/** With valid checksums: connection tracking calls a packet invalid that has a wrong one. */
export function packetBytes(packet: Packet): Buffer {
  const ip = packet.family === 4 ? ipv4Header(packet) : ipv6Header(packet);
  const payload = transport(packet, packet.length - ip.length);
  const at = checksumOffset[packet.protocol];
  if (at !== undefined) {
    const pseudo =
      packet.protocol === ipProtocols.icmp ? [] : [pseudoHeader(packet, payload.length)];
    payload.writeUInt16BE(checksum(Buffer.concat([...pseudo, payload])), at);
  }
  return Buffer.concat([ip, payload]);
}

const checksumOffset: Readonly<Record<number, number>> = {
  [ipProtocols.icmp]: 2,
  [ipProtocols.icmpv6]: 2,
  [ipProtocols.tcp]: 16,
  [ipProtocols.udp]: 6,
};

function ipv4Header(packet: Packet): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header[1] = packet.tos;
  header.writeUInt16BE(packet.length, 2);
  header[8] = packet.ttl;
  header[9] = packet.protocol;
  header.set(addressBytes(packet.source), 12);
  header.set(addressBytes(packet.destination), 16);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function ipv6Header(packet: Packet): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32BE(((6 << 28) | (packet.tos << 20)) >>> 0, 0);
  header.writeUInt16BE(packet.length - 40, 4);
  header[6] = packet.protocol;
  header[7] = packet.ttl;
  header.set(addressBytes(packet.source), 8);
  header.set(addressBytes(packet.destination), 24);
  return header;
}

function transport(packet: Packet, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (packet.icmp !== undefined) {
    bytes[0] = packet.icmp.type;
    bytes[1] = packet.icmp.code;
    // The identifier of an echo: a new one is a new flow.
    bytes.writeUInt16BE(packet.sourcePort, 4);
    return bytes;
  }
  bytes.writeUInt16BE(packet.sourcePort, 0);
  bytes.writeUInt16BE(packet.destinationPort, 2);
  if (packet.protocol === ipProtocols.udp) bytes.writeUInt16BE(length, 4);
  else {
    bytes[12] = 0x50;
    bytes[13] = packet.tcpFlags;
    bytes.writeUInt16BE(1024, 14);
  }
  return bytes;
}

function pseudoHeader({ source, destination, protocol, family }: Packet, length: number): Buffer {
  const end = Buffer.alloc(family === 4 ? 4 : 8);
  end[end.length - 1] = family === 4 ? 0 : protocol;
  if (family === 4) {
    end[1] = protocol;
    end.writeUInt16BE(length, 2);
  } else end.writeUInt32BE(length, 0);
  return Buffer.concat([addressBytes(source), addressBytes(destination), end]);
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
