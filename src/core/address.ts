/**
 * IP addresses, prefixes and MAC addresses as validated values.
 *
 * A string from outside becomes one of these once, at the edge; by their brands the compiler accepts only
 * these in rule text, sysctl paths and link attributes.
 */
import ipaddr from 'ipaddr.js';

declare const brand: unique symbol;
/** A `Base` that has passed a parser named after `Name`. */
export type Brand<Base, Name extends string> = Base & { readonly [brand]: Name };

export type Family = 4 | 6;
/** The kernel's numbers of the two: `AF_INET` and `AF_INET6`. */
export const familyNumber: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

/** undefined for a number that is neither IPv4's nor IPv6's. */
export function familyOfNumber(number: number | undefined): Family | undefined {
  return number === familyNumber[4] ? 4 : number === familyNumber[6] ? 6 : undefined;
}

/** Dotted quad, no leading zeros. */
export type Ipv4Address = Brand<string, 'Ipv4Address'>;
/** RFC 5952 text, without a zone. */
export type Ipv6Address = Brand<string, 'Ipv6Address'>;
export type IpAddress = Ipv4Address | Ipv6Address;
/** Six lower-case hexadecimal octets with colons. */
export type MacAddress = Brand<string, 'MacAddress'>;

/** An address with the length of its network's prefix, e.g. `10.5.0.1/24`. */
export interface Cidr {
  readonly family: Family;
  readonly address: IpAddress;
  readonly prefixLength: number;
}

/**
 * Accepts what the library's `isValidFourPartDecimal` accepts, in a tenth of its time: a start with
 * 5,000 ports parses 10,000 addresses.
 */
const dottedQuad =
  /^(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}$/;

/** The canonical address, or undefined if `text` is not exactly one IPv4 or IPv6 address. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.includes('%') || text.length > 45) return undefined;
  if (dottedQuad.test(text)) return text as Ipv4Address;
  if (!ipaddr.IPv6.isValid(text)) return undefined;
  const parsed = ipaddr.IPv6.parse(text);
  if (parsed.isIPv4MappedAddress()) return undefined;
  return parsed.toRFC5952String() as Ipv6Address;
}

/**
 * The address in the text that stands before `:PORT`: of IPv6 without its brackets, of IPv4 as it is; undefined if
 * brackets are missing around colons, or stand around something else.
 */
export function addressBeforePort(text: string): string | undefined {
  const inBrackets = /^\[([^[\]]*:[^[\]]*)\]$/.exec(text)?.[1];
  return inBrackets ?? (/[:[\]]/.test(text) ? undefined : text);
}

/**
 * {@link parseIp} for an address to listen on: `::ffff:192.0.2.1` becomes 192.0.2.1, since engines may send
 * either form for the same address.
 */
export function parseHostIp(text: string): IpAddress | undefined {
  const plain = parseIp(text);
  if (plain !== undefined || text.includes('%') || !ipaddr.IPv6.isValid(text)) return plain;
  const parsed = ipaddr.IPv6.parse(text);
  return parsed.isIPv4MappedAddress() ? parseIp(parsed.toIPv4Address().toString()) : undefined;
}

/** `ADDRESS/PREFIX`, with both parts present and the prefix length within the family's bounds. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseIp(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(digits)) return undefined;
  const family = familyOf(address);
  const prefixLength = Number(digits);
  if (prefixLength > (family === 4 ? 32 : 128)) return undefined;
  return { family, address, prefixLength };
}

export function familyOf(address: IpAddress): Family {
  return address.includes(':') ? 6 : 4;
}

export function cidrText(cidr: Cidr): string {
  return `${cidr.address}/${cidr.prefixLength}`;
}

/** The prefix that covers exactly one address. */
export function hostCidr(address: IpAddress): Cidr {
  const family = familyOf(address);
  return { family, address, prefixLength: family === 4 ? 32 : 128 };
}

/** The network that `cidr` lies in: its address with the host bits cleared. */
export function networkOf(cidr: Cidr): Cidr {
  const bytes = addressBytes(cidr.address);
  for (let index = 0; index < bytes.length; index += 1) {
    const kept = Math.max(0, Math.min(8, cidr.prefixLength - index * 8));
    bytes[index] = (bytes[index] ?? 0) & (0xff00 >> kept);
  }
  const address = addressFromBytes(bytes);
  return { family: cidr.family, address, prefixLength: cidr.prefixLength };
}

export function contains(cidr: Cidr, address: IpAddress): boolean {
  if (cidr.family !== familyOf(address)) return false;
  if (cidr.family === 4) {
    // Called for every pair of networks: the library's objects would cost more than the comparison.
    const size = 2 ** (32 - cidr.prefixLength);
    return Math.floor(ipv4Number(cidr.address) / size) === Math.floor(ipv4Number(address) / size);
  }
  return ipaddr.parse(address).match(ipaddr.parse(cidr.address), cidr.prefixLength);
}

/** 0 to 2^32 - 1. Written for speed: with 1,000 networks, each new one needs 8,000 of them. */
function ipv4Number(address: IpAddress): number {
  let number = 0;
  let octet = 0;
  for (let index = 0; index < address.length; index += 1) {
    const code = address.charCodeAt(index);
    if (code === 46) {
      number = number * 256 + octet;
      octet = 0;
    } else octet = octet * 10 + code - 48;
  }
  return number * 256 + octet;
}

/** Whether the two networks share an address. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b.address) || contains(b, a.address);
}

export function sameCidr(a: Cidr, b: Cidr): boolean {
  return a.prefixLength === b.prefixLength && a.address === b.address;
}

/** Network byte order: 4 or 16 bytes. */
export function addressBytes(address: IpAddress): Uint8Array {
  if (familyOf(address) === 4) return Uint8Array.from(address.split('.'), Number);
  return Uint8Array.from(ipaddr.parse(address).toByteArray());
}

/** Inverse of {@link addressBytes}. `bytes` has 4 or 16 entries. */
export function addressFromBytes(bytes: Uint8Array): IpAddress {
  // Called for every address and route of the host.
  if (bytes.length === 4) return bytes.join('.') as Ipv4Address;
  return (ipaddr.fromByteArray([...bytes]) as ipaddr.IPv6).toRFC5952String() as Ipv6Address;
}

export function isLoopback(address: IpAddress): boolean {
  return familyOf(address) === 4 ? address.startsWith('127.') : address === '::1';
}

/** `0.0.0.0` or `::`. */
export function isUnspecified(address: IpAddress): boolean {
  return address === '0.0.0.0' || address === '::';
}

export const anyIpv4 = '0.0.0.0' as Ipv4Address;
export const anyIpv6 = '::' as Ipv6Address;

/** Colon form as in `Interface.MacAddress`; multicast and all-zero addresses are refused. */
export function parseMac(text: string): MacAddress | undefined {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  const mac = text.toLowerCase() as MacAddress;
  const bytes = macBytes(mac);
  if (((bytes[0] ?? 0) & 1) === 1 || bytes.every((byte) => byte === 0)) return undefined;
  return mac;
}

export function macBytes(mac: MacAddress): Uint8Array {
  return Uint8Array.from(mac.split(':').map((octet) => Number.parseInt(octet, 16)));
}

/** `02:42:` and the four octets of the address: what Docker up to 27 gives an endpoint. */
export function macFromIpv4(address: Ipv4Address): MacAddress {
  const octets = [...addressBytes(address)].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['02', '42', ...octets].join(':') as MacAddress;
}

/** A unicast, locally administered address with the given 40 bits: for endpoints without IPv4. */
export function macFromBytes(bytes: Uint8Array): MacAddress {
  const octets = [...bytes.slice(0, 5)].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['02', ...octets].join(':') as MacAddress;
}

/** The MAC address that these six bytes are. */
export function macOf(bytes: Uint8Array): MacAddress {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':') as MacAddress;
}
