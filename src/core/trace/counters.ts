/** The kernel's counters of packets that it drops outside of rules: what grew while packets were traced. */

/** Counts by the kernel's names: `TcpExt.ListenDrops`. */
export type KernelCounters = ReadonlyMap<string, bigint>;

/**
 * Reads /proc/net/snmp and /proc/net/netstat (a line of names, a line of numbers) and /proc/net/snmp6 (a name and a
 * number each line).
 */
export function readKernelCounters(texts: readonly string[]): KernelCounters {
  const found = new Map<string, bigint>();
  const lines = texts.flatMap((text) => text.split('\n'));
  lines.forEach((line, at) => {
    const [, prefix, rest = ''] = /^(\w+): (.*)$/.exec(line) ?? [];
    const [, single, count] = /^(\w+)\s+(\d+)$/.exec(line) ?? [];
    if (single !== undefined) found.set(single, BigInt(count ?? 0));
    const values = lines[at + 1]?.split(' ') ?? [];
    if (prefix === undefined || values[0] !== `${prefix}:` || /^-?\d/.test(rest)) return;
    rest.split(' ').forEach((name, index) => {
      const value = values[index + 1] ?? '';
      if (/^\d+$/.test(value)) found.set(`${prefix}.${name}`, BigInt(value));
    });
  });
  return found;
}

/** The counters that count lost packets, and what each means. */
const losses: Readonly<Record<string, string>> = {
  'Ip.InHdrErrors': 'a broken header, or an expired TTL',
  'Ip.InAddrErrors': 'an address that is not for this host',
  'Ip.InDiscards': 'no memory, or refused by the kernel',
  'Ip.OutDiscards': 'no memory, or refused by the kernel',
  'Ip.OutNoRoutes': 'no route',
  'Ip.FragFails': 'too large for an interface, and not to be fragmented',
  'Ip.ReasmFails': 'fragments that did not come together',
  'IpExt.InNoRoutes': 'no route',
  'IpExt.InTruncatedPkts': 'cut off',
  'Udp.NoPorts': 'UDP to a port on this host at which nobody listens',
  'Udp.InErrors': 'UDP that a socket did not take',
  'Udp.RcvbufErrors': 'UDP for a socket whose buffer was full',
  'TcpExt.IPReversePathFilter': 'the reverse path filter (rp_filter)',
  'TcpExt.ListenDrops': 'TCP for a socket whose queue was full',
  'TcpExt.ListenOverflows': 'TCP for a socket whose queue was full',
  'TcpExt.TCPBacklogDrop': 'TCP for a socket that was busy',
  Ip6InHdrErrors: 'IPv6: a broken header, or a hop limit at its end',
  Ip6InAddrErrors: 'IPv6: an address that is not for this host',
  Ip6InDiscards: 'IPv6: no memory, or refused by the kernel',
  Ip6OutDiscards: 'IPv6: no memory, or refused by the kernel',
  Ip6InNoRoutes: 'IPv6: no route',
  Ip6OutNoRoutes: 'IPv6: no route',
  Ip6InTooBigErrors: 'IPv6: too large for an interface',
  Ip6FragFails: 'IPv6: too large for an interface',
  Udp6NoPorts: 'IPv6: UDP to a port on this host at which nobody listens',
};

export interface Loss {
  /** The kernel's name of the counter. */
  readonly counter: string;
  readonly packets: number;
  /** What the counter means, as a phrase: `no route`. */
  readonly words: string;
}

/** The counters that grew. They count all packets of the network namespace, not only those that were traced. */
export function lossesBetween(before: KernelCounters, after: KernelCounters): Loss[] {
  return Object.entries(losses).flatMap(([counter, words]) => {
    const packets = Number((after.get(counter) ?? 0n) - (before.get(counter) ?? 0n));
    return packets > 0 ? [{ counter, packets, words }] : [];
  });
}
