/** From where and to where: what an operator types. */
import { addressBeforePort, type IpAddress, parseHostIp } from '../../address.js';
import { ipProtocols } from '../packet.js';

/** A place that packets come from or go to, before it is looked up on the host. */
export type Place =
  /** A program on the host itself. */
  | { readonly kind: 'host' }
  /** An address outside of all networks that the host is in, by its default route. */
  | { readonly kind: 'elsewhere' }
  /** A neighbour on the network of the default route. */
  | { readonly kind: 'lan' }
  | { readonly kind: 'address'; readonly address: IpAddress; readonly interface?: string }
  | { readonly kind: 'container'; readonly name: string; readonly network?: string };

export interface Destination {
  /** Absent (`:8080`): the host's own address on the interface that the packet arrives on. */
  readonly place?: Place;
  /** IANA number. */
  readonly protocol: number;
  /** 0 for a protocol without ports. */
  readonly port: number;
}

const plainWords = { host: 'host', elsewhere: 'elsewhere', lan: 'lan' } as const;
/** Names of Docker's containers and networks, and beginnings of ids. */
const namePattern = /^([a-zA-Z0-9][a-zA-Z0-9_.-]{0,127})(?:@([a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}))?$/;
/** Of an interface: the kernel gives none a colon (`dev_valid_name`), so no port is taken for a part of it. */
const zonePattern = /^[^\s/%:]{1,15}$/;

/**
 * `web`, `web@shop`, `host`, `elsewhere`, `lan`, `192.0.2.1`, `2001:db8::1%eth0`, `[2001:db8::1]`, `[fe80::1]%eth0`;
 * undefined for anything else, such as a place with a port.
 */
export function parsePlace(text: string): Place | undefined {
  if (Object.hasOwn(plainWords, text)) return { kind: plainWords[text as keyof typeof plainWords] };
  const [, inside = text, behind = ''] = /^(\[[^\]]*\])(%.*)?$/.exec(text) ?? [];
  const written = inside === text && !text.startsWith('[') ? text : addressBeforePort(inside);
  const [bare = '', zone, ...more] = `${written ?? ''}${behind}`.split('%');
  // A program whose socket takes both families logs an IPv4 client as ::ffff:192.0.2.1.
  const address = parseHostIp(bare);
  if (address !== undefined && more.length === 0) {
    if (zone === undefined) return { kind: 'address', address };
    return zonePattern.test(zone) ? { kind: 'address', address, interface: zone } : undefined;
  }
  const named = namePattern.exec(text);
  if (named?.[1] === undefined) return undefined;
  const [, name, network] = named;
  return { kind: 'container', name, ...(network === undefined ? {} : { network }) };
}

/** `PLACE:PORT`, `PLACE:PORT/udp`, `:PORT`, `PLACE/icmp`; without a protocol it is TCP. */
export function parseDestination(text: string): Destination | undefined {
  const ping = /^(.+)\/icmp$/.exec(text)?.[1];
  if (ping !== undefined) {
    const place = parsePlace(ping);
    return place && { place, protocol: ipProtocols.icmp, port: 0 };
  }
  const parts = /^(.*):(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (parts === null) return undefined;
  const [, where = '', digits, name = 'tcp'] = parts;
  const port = Number(digits);
  const bracketed = where.startsWith('[');
  // An address of IPv6 without brackets could end anywhere.
  if (port < 1 || port > 65_535 || (where.includes(':') && !bracketed)) return undefined;
  const protocol = ipProtocols[name as 'tcp' | 'udp' | 'sctp'];
  if (where === '') return { protocol, port };
  const place = parsePlace(where);
  return place && { place, protocol, port };
}
