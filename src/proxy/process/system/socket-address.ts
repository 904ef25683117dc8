/** `struct sockaddr_in` and `sockaddr_in6`, as the kernel reads and writes them. */
import { endianness } from 'node:os';
import {
  addressBytes,
  type Family,
  familyNumber,
  familyOf,
  type IpAddress,
} from '../../../core/address.js';

/** Length of such a structure in bytes. */
export const addressLength: Readonly<Record<Family, number>> = { 4: 16, 6: 28 };

export function socketAddress(ip: IpAddress, port: number): Uint8Array {
  const family = familyOf(ip);
  const buffer = Buffer.alloc(addressLength[family]);
  // The family is in the host's byte order.
  buffer[endianness() === 'LE' ? 0 : 1] = familyNumber[family];
  setPort(buffer, port);
  buffer.set(addressBytes(ip), family === 4 ? 4 : 8);
  return buffer;
}

export function setPort(address: Uint8Array, port: number): void {
  address[2] = port >> 8;
  address[3] = port & 0xff;
}

/**
 * A key for the sender whose address is at `offset`. For IPv4, address and port as a number, which needs no
 * memory; for IPv6, all bytes, since the scope tells senders apart, too.
 */
export function addressKey(memory: Buffer, offset: number, family: Family): number | string {
  if (family === 6) return memory.toString('latin1', offset, offset + addressLength[6]);
  return memory.readUInt32BE(offset + 4) * 65_536 + memory.readUInt16BE(offset + 2);
}
