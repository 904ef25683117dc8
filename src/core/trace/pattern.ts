/**
 * Which packets are traced: conditions that rules can ask where a packet comes into the kernel, before it is routed.
 */
import type { Cidr, Family } from '../address.js';
import { ipProtocols } from '../explain/packet.js';

/** One thing that has to be true of a packet. */
export type Condition =
  | { readonly is: 'family'; readonly family: Family }
  /** IANA number. */
  | { readonly is: 'protocol'; readonly protocol: number }
  | { readonly is: 'source'; readonly cidr: Cidr; readonly not?: true }
  | { readonly is: 'destination'; readonly cidr: Cidr; readonly not?: true }
  /** It goes to an address of the host itself. */
  | { readonly is: 'to-host' }
  /** It goes to this port. */
  | { readonly is: 'port'; readonly port: number }
  /** It goes to one of these ports. */
  | { readonly is: 'ports'; readonly ports: readonly number[] }
  /** It comes by this interface. */
  | { readonly is: 'arrives'; readonly interface: string }
  /** A program of the host sends it. */
  | { readonly is: 'made-here' };

/** A packet fits if all conditions are true of it; without conditions, every packet fits. */
export type Pattern = readonly Condition[];

/** A packet fits if it fits at least one of the patterns. */
export type PacketFilter = readonly Pattern[];

/** Patterns of one trace, at most. Each is a rule that the kernel asks of every packet of the host. */
export const mostPatterns = 256;

/** The filter that a packet fits if it fits both. */
export function both(one: PacketFilter, other: PacketFilter): PacketFilter {
  return one.flatMap((left) => other.map((right) => [...left, ...right]));
}

/**
 * The conditions in an order in which rules can ask them, each once: family and protocol come before addresses and
 * ports, whose place in the packet depends on them. Behind these the ones come first that few packets fit and that are
 * cheap to ask: the kernel asks no further once one is false. undefined: no packet can fit.
 */
export function ordered(pattern: Pattern): Pattern | undefined {
  const families = new Set(
    pattern.flatMap((each) =>
      each.is === 'family' ? each.family : 'cidr' in each && !each.not ? each.cidr.family : [],
    ),
  );
  const protocols = new Set(
    pattern.flatMap((each) => (each.is === 'protocol' ? each.protocol : [])),
  );
  const arrives = new Set(pattern.flatMap((each) => (each.is === 'arrives' ? each.interface : [])));
  const madeHere = pattern.some(({ is }) => is === 'made-here');
  if (families.size > 1 || protocols.size > 1 || arrives.size > 1) return undefined;
  if (madeHere && arrives.size > 0) return undefined;
  const [family] = families;
  const rest = pattern.filter(
    (each) =>
      each.is !== 'family' &&
      each.is !== 'protocol' &&
      // A `not` with an address of the other family is true of every packet of this family.
      !('cidr' in each && family !== undefined && each.cidr.family !== family),
  );
  const texts = rest.map((each) => JSON.stringify(each));
  return [
    ...[...families].map((each): Condition => ({ is: 'family', family: each })),
    ...[...protocols].map((each): Condition => ({ is: 'protocol', protocol: each })),
    ...rest
      .filter((_, index) => texts.indexOf(texts[index] ?? '') === index)
      .sort((a, b) => costOf(a) - costOf(b)),
  ];
}

/** The rank of a condition: how early it is worth asking. */
function costOf(condition: Condition): number {
  // Whether an address is the host's own is a look-up in the routing tables: 0.3 µs, as much as all other conditions.
  if (condition.is === 'to-host') return 4;
  if ('cidr' in condition) return condition.not ? 3 : 1;
  return condition.is === 'port' || condition.is === 'ports' ? 0 : 2;
}

/** The order of conditions in {@link cheapestFirst}: the one with the smallest number comes first. */
const ranks: Readonly<Record<Condition['is'], number>> = {
  ...{ port: 0, ports: 0, source: 1, destination: 1, family: 2, protocol: 3 },
  ...{ arrives: 4, 'made-here': 4, 'to-host': 6 },
};
const rankOf = (condition: Condition): number =>
  'not' in condition && condition.not ? 5 : ranks[condition.is];

/**
 * The pattern's conditions in the order that costs packets that do not fit the least: the kernel stops at the first false
 * condition, so those that few packets fulfil come first. A packet of another family or protocol has other bytes where an
 * address or port is looked for; if these are equal by chance, the condition about the family or protocol is still false.
 */
export function cheapestFirst(pattern: Pattern): Pattern {
  return [...pattern].sort((a, b) => rankOf(a) - rankOf(b));
}

/** The filter without patterns that no packet can fit, each of the others {@link ordered}. */
export function possible(filter: PacketFilter): PacketFilter {
  return filter.flatMap((pattern) => {
    const fit = ordered(pattern);
    return fit === undefined ? [] : [fit];
  });
}

/** @param protocol IANA number; that of ICMP stands for ICMP of IPv4 and of IPv6, which are two protocols */
export function protocolPatterns(protocol: number): PacketFilter {
  if (protocol !== ipProtocols.icmp) return [[{ is: 'protocol', protocol }]];
  return [
    [
      { is: 'family', family: 4 },
      { is: 'protocol', protocol: ipProtocols.icmp },
    ],
    [
      { is: 'family', family: 6 },
      { is: 'protocol', protocol: ipProtocols.icmpv6 },
    ],
  ];
}

/**
 * The same filter in fewer patterns: those that differ in their ports only are one, whose rule looks the port up in a
 * set. The kernel asks each rule of every packet of the host; a container with many published ports has a pattern for
 * each.
 *
 * @param filter of patterns that are {@link ordered}
 */
export function combined(filter: PacketFilter): PacketFilter {
  const groups = new Map<string, { pattern: Pattern; ports: Set<number> }>();
  for (const pattern of filter) {
    const [port, ...more] = pattern.filter((each) => each.is === 'port');
    const single = more.length === 0 ? port : undefined;
    const key = JSON.stringify(pattern.map((each) => (each === single ? { is: 'ports' } : each)));
    const known = groups.get(key) ?? { pattern, ports: new Set() };
    if (single !== undefined) known.ports.add(single.port);
    groups.set(key, known);
  }
  return [...groups.values()].map(({ pattern, ports }) =>
    ports.size < 2
      ? pattern
      : pattern.map((each) => (each.is === 'port' ? { is: 'ports', ports: [...ports] } : each)),
  );
}
