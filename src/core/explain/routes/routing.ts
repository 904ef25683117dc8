/** Routing rules and routing tables as they were read at one moment, and what the kernel would find in them. */
import { type Cidr, contains, type Family, type IpAddress } from '../../address.js';

/** Why the kernel has no route for a packet, by its errno. */
export type RouteError = 'ENETUNREACH' | 'EHOSTUNREACH' | 'EINVAL' | 'EACCES';

/** From the first number to the last one. */
export type PortRange = readonly [number, number];

/** One line of `ip rule`. */
export interface RoutingRule {
  readonly priority: number;
  /** `not`: the rule fits packets that do not meet its conditions. */
  readonly inverted: boolean;
  readonly source?: Cidr;
  readonly destination?: Cidr;
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly mark?: { readonly value: number; readonly mask: number };
  /** The byte, without the bits of ECN. */
  readonly tos?: number;
  /** IANA number. */
  readonly protocol?: number;
  readonly sourcePorts?: PortRange;
  readonly destinationPorts?: PortRange;
  readonly action:
    | { readonly kind: 'table'; readonly table: string }
    | { readonly kind: 'refuse'; readonly code: RouteError }
    | { readonly kind: 'goto'; readonly priority: number }
    | { readonly kind: 'nothing' }
    | { readonly kind: 'unread' };
  /** suppress_prefixlength: a route that the table has does not count if its prefix has at most this many bits. */
  readonly suppressedLength?: number;
  /** Names of conditions of the rule that are not understood, joined with `, `. */
  readonly unread?: string;
}

/** A next hop of a route. If a route has several, the kernel chooses one by a hash. */
export interface NextHop {
  readonly device: string;
  readonly gateway?: IpAddress;
}

/** One line of `ip route show table all`. */
export interface RoutingEntry {
  readonly table: string;
  /** `unicast`, `local`, `blackhole`, … */
  readonly type: string;
  readonly destination: Cidr;
  /** IPv6: only packets from there take it. */
  readonly source?: Cidr;
  readonly tos: number;
  readonly metric: number;
  /** `kernel`, `static`, …: who made it. */
  readonly protocol: string;
  /** The next hops that are up. A route that refuses packets needs none. */
  readonly nextHops: readonly NextHop[];
}

export interface Routing {
  readonly family: Family;
  /** In the kernel's order. */
  readonly rules: readonly RoutingRule[];
  readonly entries: readonly RoutingEntry[];
}

/** The values of a packet that a look-up depends on. */
export interface RouteKey {
  readonly destination: IpAddress;
  readonly source?: IpAddress;
  /** `lo` for what the host sends itself. */
  readonly inInterface: string;
  /** Only routes by this interface count. */
  readonly outInterface?: string;
  readonly mark: number;
  readonly tos: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export type FoundEntry =
  | { readonly kind: 'route'; readonly entry: RoutingEntry }
  | { readonly kind: 'error'; readonly code: RouteError }
  /** `words` is a phrase: what nobody can say. */
  | { readonly kind: 'unknown'; readonly words: string };

/**
 * The route for a packet, as the kernel's `fib_rules_lookup` finds it: the first rule decides that fits and whose table
 * has a route.
 */
export function lookUp(routing: Routing, key: RouteKey): FoundEntry {
  const found = byRules(routing, key);
  if (routing.family === 6 || hasOwnRules(routing)) return found;
  // Until somebody adds a rule, the kernel keeps the IPv4 tables local and main in one, in which the longest prefix
  // wins. A reading does not tell whether a rule was there and is gone again.
  const tables = ['local', 'main'];
  const merged = inTables(routing, tables, key) ?? found;
  if (JSON.stringify(merged) === JSON.stringify(found)) return found;
  const words = `whether table local is asked before table main for ${key.destination} cannot be read`;
  return { kind: 'unknown', words };
}

/** Whether there are other rules than those that the kernel begins with: three for IPv4, two for IPv6. */
export function hasOwnRules({ family, rules }: Routing): boolean {
  const own = family === 4 ? '0 local,32766 main,32767 default' : '0 local,32766 main';
  const plain = rules.map(({ priority, action, ...more }) => {
    const asks = Object.keys(more).length > 1 || more.inverted;
    return asks || action.kind !== 'table' ? 'own' : `${priority} ${action.table}`;
  });
  return plain.join(',') !== own;
}

function byRules(routing: Routing, key: RouteKey): FoundEntry {
  const { rules } = routing;
  for (let index = 0; index < rules.length; index += 1) {
    const rule = rules[index] as RoutingRule;
    const holds = fits(rule, key);
    if (holds && rule.unread !== undefined) {
      const words = `whether rule ${rule.priority} of ip rule fits (${rule.unread}) cannot be read`;
      return { kind: 'unknown', words };
    }
    if (holds === rule.inverted) continue;
    const { action } = rule;
    if (action.kind === 'unread') {
      return {
        kind: 'unknown',
        words: `what rule ${rule.priority} of ip rule does cannot be read`,
      };
    }
    if (action.kind === 'refuse') return { kind: 'error', code: action.code };
    if (action.kind === 'goto') {
      // The kernel goes on with the first rule of that priority; one that leads back is not accepted.
      const next = rules.findIndex(({ priority }) => priority >= action.priority);
      index = next > index ? next - 1 : rules.length;
    }
    if (action.kind !== 'table') continue;
    const found = inTables(routing, [action.table], key);
    if (found === undefined || isSuppressed(rule, found)) continue;
    return found;
  }
  return { kind: 'error', code: 'ENETUNREACH' };
}

function isSuppressed({ suppressedLength }: RoutingRule, found: FoundEntry): boolean {
  if (suppressedLength === undefined || found.kind !== 'route') return false;
  return found.entry.destination.prefixLength <= suppressedLength;
}

/**
 * Whether the packet meets the conditions of the rule, but for those that are not understood. `not` is left to the
 * caller.
 */
function fits(rule: RoutingRule, key: RouteKey): boolean {
  const { source, destination, inInterface, outInterface, mark, tos, protocol } = rule;
  return (
    (source === undefined || isIn(source, key.source)) &&
    (destination === undefined || isIn(destination, key.destination)) &&
    (inInterface === undefined || inInterface === key.inInterface) &&
    (outInterface === undefined || outInterface === key.outInterface) &&
    (mark === undefined || ((key.mark ^ mark.value) & mark.mask) === 0) &&
    (tos === undefined || tos === key.tos) &&
    (protocol === undefined || protocol === key.protocol) &&
    isWithin(rule.sourcePorts, key.sourcePort) &&
    isWithin(rule.destinationPorts, key.destinationPort)
  );
}

function isIn(cidr: Cidr, address: IpAddress | undefined): boolean {
  return address !== undefined && (cidr.prefixLength === 0 || contains(cidr, address));
}

function isWithin(range: PortRange | undefined, port: number): boolean {
  return range === undefined || (range[0] <= port && port <= range[1]);
}

/** The errno for a packet that meets a route of this type. */
const refusing: Readonly<Record<string, RouteError>> = {
  blackhole: 'EINVAL',
  unreachable: 'EHOSTUNREACH',
  prohibit: 'EACCES',
};

/**
 * The route that the tables have for the packet; undefined: they have none, or the best one is of type `throw`: the
 * next rule decides.
 */
function inTables(
  { family, entries }: Routing,
  tables: readonly string[],
  key: RouteKey,
): FoundEntry | undefined {
  const fitting = entries
    .filter(
      (entry) =>
        tables.includes(entry.table) &&
        isIn(entry.destination, key.destination) &&
        (entry.source === undefined || isIn(entry.source, key.source)) &&
        (entry.tos === 0 || entry.tos === key.tos) &&
        isUsable(entry, key),
    )
    .sort((a, b) => precedence(a, b) || tables.indexOf(a.table) - tables.indexOf(b.table));
  const [entry, next] = fitting;
  if (entry === undefined || entry.type === 'throw') return undefined;
  const code = refusing[entry.type];
  if (code !== undefined) return { kind: 'error', code };
  const isTied = family === 6 && next !== undefined && precedence(entry, next) === 0;
  if (isTied || nextHopsFor(entry, key).length > 1) {
    const words = `which one of several equal ways to ${key.destination} the kernel's hash takes`;
    return { kind: 'unknown', words };
  }
  return { kind: 'route', entry };
}

/** Negative: the kernel takes `a` before `b`; 0: it is not decided between them. */
function precedence(a: RoutingEntry, b: RoutingEntry): number {
  const lengthOf = (cidr: Cidr | undefined) => cidr?.prefixLength ?? 0;
  return (
    lengthOf(b.destination) - lengthOf(a.destination) ||
    lengthOf(b.source) - lengthOf(a.source) ||
    b.tos - a.tos ||
    a.metric - b.metric
  );
}

function isUsable(entry: RoutingEntry, key: RouteKey): boolean {
  return entry.type in refusing || entry.type === 'throw' || nextHopsFor(entry, key).length > 0;
}

/** The next hops of a route that the packet may take. */
export function nextHopsFor(
  { nextHops }: RoutingEntry,
  { outInterface }: RouteKey,
): readonly NextHop[] {
  if (outInterface === undefined) return nextHops;
  return nextHops.filter(({ device }) => device === outInterface);
}
