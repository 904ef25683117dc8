/** Reads links and routes from what `ip -json` prints. */
import { type Cidr, type Family, familyOf, parseCidr, parseIp } from '../core/address.js';
import type { Link, Route, SeenAddress } from '../core/doctor/facts.js';

type Entry = Readonly<Record<string, unknown>>;

function entriesOf(value: unknown): readonly Entry[] {
  return Array.isArray(value) ? (value as readonly Entry[]) : [];
}

/**
 * Reads a list. Control characters are escaped first: `ip` prints those in names of interfaces as they are, which JSON
 * forbids.
 *
 * @throws {SyntaxError} if the text is no JSON for another reason
 */
export function parseIpJson(text: string): readonly Entry[] {
  const escaped = text.replace(
    /[^\P{Cc}\n]/gu,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return escaped.trim() === '' ? [] : entriesOf(JSON.parse(escaped));
}

const word = (value: unknown): string => (typeof value === 'string' ? value : '');

/** @param text of `ip -json -details address show` */
export function parseLinks(text: string): Link[] {
  return parseIpJson(text).flatMap((entry) => {
    const { ifname, mtu, master, flags, addr_info: addresses } = entry;
    if (typeof ifname !== 'string') return [];
    const { info_kind: kind } = (entry.linkinfo ?? {}) as Entry;
    return [
      {
        name: ifname,
        kind: word(kind),
        mtu: Number(mtu),
        isUp: Array.isArray(flags) && flags.includes('UP'),
        ...(typeof master === 'string' ? { master } : {}),
        addresses: entriesOf(addresses).flatMap(readAddress),
      },
    ];
  });
}

function readAddress({ local, prefixlen }: Entry): Cidr[] {
  const address = parseIp(word(local));
  if (address === undefined) return [];
  return [{ family: familyOf(address), address, prefixLength: Number(prefixlen) }];
}

/**
 * The routes of type unicast, so none to the host itself, to multicast or broadcast addresses, or that refuse packets.
 *
 * @param text of `ip -json route show table all`
 */
export function parseRoutes(text: string, family: Family): Route[] {
  return parseIpJson(text).flatMap((entry) => {
    const { dst, type, dev, table, protocol, metric, nexthops } = entry;
    if (type !== undefined && type !== 'unicast') return [];
    const host = `${word(dst)}/${family === 4 ? 32 : 128}`;
    const destination = parseCidr(word(dst).includes('/') ? word(dst) : host);
    if (dst !== 'default' && destination === undefined) return [];
    const devices = [dev, ...entriesOf(nexthops).map((hop) => hop.dev)];
    return devices
      .filter((device) => typeof device === 'string')
      .map((device) => ({
        family,
        ...(destination === undefined ? {} : { destination }),
        device,
        table: table === undefined ? 'main' : String(table),
        protocol: word(protocol),
        metric: Number(metric ?? 0),
      }));
  });
}

/** @param text of `ip -json neighbour show` */
export function parseNeighbours(text: string): SeenAddress[] {
  return parseIpJson(text).flatMap(({ dst, dev, lladdr }) => {
    const address = parseIp(word(dst));
    if (address === undefined || typeof dev !== 'string' || typeof lladdr !== 'string') return [];
    return [{ device: dev, address, mac: lladdr }];
  });
}
