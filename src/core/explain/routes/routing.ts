/** Rules and tables of the kernel's routing as they were read at one moment, and what a look-up finds in them. */
import { type Cidr, contains, type Family, type IpAddress } from '../../address.js';

/** Why the kernel has no route for a packet, by its errno. */
export type RouteError = 'ENETUNREACH' | 'EHOSTUNREACH' | 'EINVAL' | 'EACCES';

/** From the first number to the last one. */
export type PortRange = readonly [number, number];

/** One line of `ip rule`. */
export interface RoutingRule {
  readonly priority: number;
  /** It fits packets for which what it asks for does not hold. */
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
  /** What its table finds does not count if the prefix is this long at most. */
  readonly suppressedLength?: number;
  /** What it asks for beside the rest, and is not understood. */
  readonly unread?: string;
}

/** One way of a route; a route with several takes one by a hash. */
export interface RouteWay {
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
  /** Those that are up; of a route that refuses packets, none is needed. */
  readonly ways: readonly RouteWay[];
}

export interface Routing {
  readonly family: Family;
  /** In the kernel's order. */
  readonly rules: readonly RoutingRule[];
  readonly entries: readonly RoutingEntry[];
}

/** What is looked up. */
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

/** As `fib_rules_lookup` of the kernel: the first rule that fits, and whose table has a route, decides. */
export function lookUp(routing: Routing, key: RouteKey): FoundEntry {
  const found = byRules(routing, key);
  if (routing.family === 6 || hasOwnRules(routing)) return found;
  // Until somebody makes a rule of his own, IPv4 has tables local and main in one, in which the longest prefix wins.
  const tables = ['local', 'main'];
  const merged = inTables(routing, tables, key) ?? found;
  if (JSON.stringify(merged) === JSON.stringify(found)) return found;
  const words = `whether table local is asked before table main for ${key.destination} cannot be read`;
  return { kind: 'unknown', words };
}

/** Whether there are rules beside the three that the kernel begins with. */
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

/** Without `not`, and without what is not understood. */
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

const refusing: Readonly<Record<string, RouteError>> = {
  blackhole: 'EINVAL',
  unreachable: 'EHOSTUNREACH',
  prohibit: 'EACCES',
};

/** undefined: the tables have no route, or one that says that the next rule decides. */
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
  if (isTied || waysFor(entry, key).length > 1) {
    const words = `which one of several equal ways to ${key.destination} the kernel's hash takes`;
    return { kind: 'unknown', words };
  }
  return { kind: 'route', entry };
}

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
  return entry.type in refusing || entry.type === 'throw' || waysFor(entry, key).length > 0;
}

/** The ways of a route that the packet may take. */
export function waysFor({ ways }: RoutingEntry, { outInterface }: RouteKey): readonly RouteWay[] {
  if (outInterface === undefined) return ways;
  return ways.filter(({ device }) => device === outInterface);
}
