/** The words FROM and TO of `tsbridge trace`: from where packets come and where they go. */
import { type Cidr, parseCidr } from '../address.js';
import { ipProtocols } from '../explain/packet.js';
import { type Place, parsePlace } from '../explain/path/places.js';

export type TracePlace =
  | Place
  | { readonly kind: 'any' }
  | { readonly kind: 'cidr'; readonly cidr: Cidr };

/** `any`, or one of the places that `tsbridge explain` takes; undefined: it is neither. */
export function parseTracePlace(text: string): TracePlace | undefined {
  if (text === 'any') return { kind: 'any' };
  const cidr = parseCidr(text);
  return cidr === undefined ? parsePlace(text) : { kind: 'cidr', cidr };
}

export interface TraceDestination {
  /** Where packets go; absent (`:8080`): to the host's own addresses. */
  readonly place?: TracePlace;
  /** IANA number; absent: any. */
  readonly protocol?: number;
  /** Absent: any. */
  readonly port?: number;
}

const protocols = ['tcp', 'udp', 'sctp', 'icmp'] as const;

/** `PLACE`, `PLACE:PORT`, `PLACE:PORT/udp`, `PLACE/icmp`, `:PORT`; a port without a protocol is TCP's. */
export function parseTraceDestination(text: string): TraceDestination | undefined {
  const [, rest = text, name] = /^(.*)\/([a-z]+)$/.exec(text) ?? [];
  const known = protocols.find((each) => each === name);
  if (name !== undefined && known === undefined) return undefined;
  const protocol = known === undefined ? {} : { protocol: ipProtocols[known] };
  // Without brackets the colons of an IPv6 address are all its own: no port follows.
  const whole = parseTracePlace(rest);
  if (whole !== undefined) return { place: whole, ...protocol };
  const [, where = '', digits = '0'] = /^(.*):(\d{1,5})$/.exec(rest) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535 || known === 'icmp') return undefined;
  const ported = { protocol: protocol.protocol ?? ipProtocols.tcp, port };
  if (where === '') return ported;
  const place = parseTracePlace(where);
  return place && { place, ...ported };
}
