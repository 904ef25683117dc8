/** Reads routing rules and routing tables from what `ip -json` prints. */
import { type Cidr, type Family, parseCidr, parseIp } from '../core/address.js';
import { ipProtocols } from '../core/explain/packet.js';
import type {
  NextHop,
  PortRange,
  RouteError,
  Routing,
  RoutingEntry,
  RoutingRule,
} from '../core/explain/routes/routing.js';

type Row = Readonly<Record<string, unknown>>;

/**
 * @param rules of `ip -json -4 rule` (or -6)
 * @param routes of `ip -json -4 route show table all` (or -6)
 */
export function readRouting(
  family: Family,
  rules: readonly Row[],
  routes: readonly Row[],
): Routing {
  return {
    family,
    rules: rules.map((row) => readRule(row, family)),
    entries: routes.flatMap((row) => readEntry(row, family)),
  };
}

/** Keys of a routing rule that this module reads, and keys that do not decide which packets the rule fits. */
const readKeys: ReadonlySet<string> = new Set([
  ...['priority', 'not', 'src', 'srclen', 'dst', 'dstlen', 'iif', 'oif', 'fwmark', 'fwmask', 'tos'],
  ...['ipproto', 'sport', 'sport_start', 'sport_end', 'dport', 'dport_start', 'dport_end'],
  ...['table', 'action', 'goto', 'suppress_prefixlen', 'protocol', 'iif_detached', 'oif_detached'],
]);

/**
 * Names of a routing rule's conditions that are not understood. `others`: in a row of a bundle, the names that the
 * tsbridge that wrote the bundle did not understand.
 */
export function unreadKeys({ others, ...row }: Row): string[] {
  const before = Array.isArray(others) ? others.map(String) : [];
  return [...before, ...Object.keys(row).filter((key) => !readKeys.has(key))];
}

function readRule(row: Row, family: Family): RoutingRule {
  const { priority, src, srclen, dst, dstlen, iif, oif, fwmark, fwmask, tos, ipproto } = row;
  const source = networkIn(src, srclen, family);
  const destination = networkIn(dst, dstlen, family);
  const protocol = ipproto === undefined ? undefined : protocolOf(ipproto);
  const sourcePorts = rangeIn(row, 'sport');
  const destinationPorts = rangeIn(row, 'dport');
  const length = row.suppress_prefixlen;
  const unread = unreadKeys(row);
  if (ipproto !== undefined && protocol === undefined) unread.push('ipproto');
  return {
    priority: Number(priority),
    inverted: 'not' in row,
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
    ...(iif === undefined ? {} : { inInterface: String(iif) }),
    ...(oif === undefined ? {} : { outInterface: String(oif) }),
    ...(fwmark === undefined
      ? {}
      : { mark: { value: Number(fwmark), mask: Number(fwmask ?? 0xffff_ffff) } }),
    ...(tos === undefined ? {} : { tos: Number(tos) }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(sourcePorts === undefined ? {} : { sourcePorts }),
    ...(destinationPorts === undefined ? {} : { destinationPorts }),
    ...(typeof length === 'number' ? { suppressedLength: length } : {}),
    ...(unread.length === 0 ? {} : { unread: unread.join(', ') }),
    action: actionIn(row) ?? { kind: 'unread' },
  };
}

/** The errno of the kernel when a rule with this action fits a packet (`fib4_rule_action`). */
const routeErrors: Readonly<Record<string, RouteError>> = {
  blackhole: 'EINVAL',
  unreachable: 'ENETUNREACH',
  prohibit: 'EACCES',
};

/** undefined: the action is not understood. */
function actionIn({ action, table, goto: target }: Row): RoutingRule['action'] | undefined {
  if (target !== undefined) return { kind: 'goto', priority: Number(target) };
  if (action === undefined || action === 'to_tbl') {
    return table === undefined ? undefined : { kind: 'table', table: String(table) };
  }
  if (action === 'nop') return { kind: 'nothing' };
  const code = routeErrors[String(action)];
  return code && { kind: 'refuse', code };
}

/** The prefix of an address like `10.0.0.0` and a length beside it; undefined for `all`. */
function networkIn(address: unknown, length: unknown, family: Family): Cidr | undefined {
  if (address === undefined || address === 'all') return undefined;
  return parseCidr(`${String(address)}/${String(length ?? (family === 4 ? 32 : 128))}`);
}

function protocolOf(word: unknown): number | undefined {
  const number = /^\d+$/.test(String(word)) ? Number(word) : undefined;
  if (number !== undefined) return number;
  return Object.entries({ ...ipProtocols, 'ipv6-icmp': 58 }).find(([name]) => name === word)?.[1];
}

function rangeIn(row: Row, key: string): PortRange | undefined {
  const [only, low, high] = [row[key], row[`${key}_start`], row[`${key}_end`]];
  if (only !== undefined) return [Number(only), Number(only)];
  return low === undefined ? undefined : [Number(low), Number(high)];
}

function readEntry(row: Row, family: Family): RoutingEntry[] {
  const { dst, from, table, type, tos, metric, protocol } = row;
  const destination = prefixIn(dst, family);
  const source = from === undefined || from === 'default' ? undefined : prefixIn(from, family);
  if (destination === undefined) return [];
  return [
    {
      table: String(table ?? 'main'),
      type: String(type ?? 'unicast'),
      destination,
      ...(source === undefined ? {} : { source }),
      tos: Number(tos ?? 0),
      metric: Number(metric ?? 0),
      protocol: String(protocol ?? 'boot'),
      nextHops: nextHopsIn(row),
    },
  ];
}

/** Reads `default`, `10.0.0.0/8` or `10.0.0.1`; undefined for anything else. */
function prefixIn(text: unknown, family: Family): Cidr | undefined {
  const bits = family === 4 ? 32 : 128;
  if (text === 'default') return parseCidr(family === 4 ? '0.0.0.0/0' : '::/0');
  return parseCidr(String(text).includes('/') ? String(text) : `${String(text)}/${bits}`);
}

const listIn = (value: unknown): readonly Row[] =>
  Array.isArray(value) ? (value as readonly Row[]) : [];

/** The next hops of a route, without those that are down. */
function nextHopsIn(row: Row): NextHop[] {
  const hops = row.nexthops === undefined ? [row] : listIn(row.nexthops);
  return hops.flatMap(({ dev, gateway, flags }): NextHop[] => {
    const isDead = Array.isArray(flags) && flags.includes('dead');
    if (typeof dev !== 'string' || isDead) return [];
    const by = typeof gateway === 'string' ? parseIp(gateway) : undefined;
    return [{ device: dev, ...(by === undefined ? {} : { gateway: by }) }];
  });
}
