/** Whether an ipset matches a packet, by the entries of the set as they were read. */
import { contains, type Family, type IpAddress, parseCidr, parseIp } from '../../address.js';
import type { SetQuestion } from '../facts.js';
import { entryOf, inAddressRange } from './options.js';

export interface IpSet {
  readonly name: string;
  /** `hash:ip,port` */
  readonly type: string;
  /** Absent: the set has no addresses (`bitmap:port`). */
  readonly family?: Family;
  /** Entries as `ipset save` writes them. `excluded`: the entry has `nomatch`, so what it holds is not in the set. */
  readonly entries: readonly { readonly entry: string; readonly excluded?: boolean }[];
  /** The set has an option that is not understood, or too many entries, so that they were left out. */
  readonly isUnread: boolean;
}

/** Whether the packet is in the set; undefined: the set is not known, or not all of it is understood. */
export function isInIpSet(sets: readonly IpSet[], question: SetQuestion): boolean | undefined {
  const set = sets.find(({ name }) => name === question.name);
  if (set === undefined || set.isUnread) return undefined;
  if (set.family !== undefined && set.family !== question.packet.family) return false;
  const kinds = (set.type.split(':')[1] ?? '').split(',');
  if (!isReadable(kinds, question)) return undefined;
  const held = set.entries.map((each) => ({
    ...each,
    holds: isEntry(each.entry, kinds, question),
  }));
  if (held.some(({ holds }) => holds === undefined)) return undefined;
  const found = held.filter(({ holds }) => holds);
  if (!found.some(({ excluded }) => excluded)) return found.length > 0;
  if (kinds.length > 1) return undefined;
  // Of the networks that have the address, the smallest one decides.
  const [first] = found.sort((a, b) => lengthOf(b.entry) - lengthOf(a.entry));
  return first?.excluded !== true;
}

function lengthOf(entry: string): number {
  return Number(entry.split('/')[1] ?? 128);
}

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** Whether each part of the set's type is known, and the packet has a port where the set asks for one. */
function isReadable(kinds: readonly string[], { packet }: SetQuestion): boolean {
  const known = ['ip', 'net', 'port', 'iface', 'mark'];
  const hasPorts = Object.values(protocols).includes(packet.protocol);
  return kinds.every((kind) => known.includes(kind) && (kind !== 'port' || hasPorts));
}

/** Whether the entry holds the packet; undefined: a part of the entry is not understood. */
function isEntry(
  entry: string,
  kinds: readonly string[],
  { directions, packet }: SetQuestion,
): boolean | undefined {
  const parts = entry.split(',');
  if (parts.length !== kinds.length) return undefined;
  const held = kinds.map((kind, index): boolean | undefined => {
    const part = parts[index] ?? '';
    const isSource = directions[index] === 'src';
    switch (kind) {
      case 'ip':
      case 'net':
        return hasAddress(part, isSource ? packet.source : packet.destination);
      case 'port':
        return hasPort(
          part,
          packet.protocol,
          isSource ? packet.sourcePort : packet.destinationPort,
        );
      case 'iface':
        if (part.startsWith('physdev:')) return undefined;
        return part === (isSource ? packet.inInterface : packet.outInterface);
      // mark: isReadable has let no other kind in.
      default:
        return Number(part) === packet.mark;
    }
  });
  if (held.includes(false)) return false;
  return held.includes(undefined) ? undefined : true;
}

function hasAddress(part: string, address: IpAddress): boolean | undefined {
  if (part.includes('-')) return inAddressRange(part, address);
  const cidr = parseCidr(part);
  if (cidr !== undefined) return cidr.prefixLength === 0 || contains(cidr, address);
  const only = parseIp(part);
  return only === undefined ? undefined : only === address;
}

/** Reads `tcp:80`, or `80` and `80-90` of a bitmap. */
function hasPort(part: string, protocol: number, port: number): boolean | undefined {
  const [, name, low, high = low] = /^(?:([a-z0-9]+):)?(\d+)(?:-(\d+))?$/.exec(part) ?? [];
  if (low === undefined) return undefined;
  if (name !== undefined) {
    // An entry for another protocol, or for a type of ICMP, is not understood. It holds no packet of TCP, UDP or SCTP.
    const wanted = entryOf(protocols, name);
    if (wanted === undefined)
      return Object.values(protocols).includes(protocol) ? false : undefined;
    if (wanted !== protocol) return false;
  }
  return Number(low) <= port && port <= Number(high);
}
