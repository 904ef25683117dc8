/**
 * How a host routes a packet, computed from its routing rules, tables and settings: what `ip route get` would have said
 * there.
 */
import type { Family, IpAddress } from '../../address.js';
import type { RouteAnswer, RouteQuestion } from '../facts.js';
import { noRouteWords } from './no-route.js';
import {
  type FoundEntry,
  hasOwnRules,
  lookUp,
  nextHopsFor,
  type RouteError,
  type RouteKey,
  type Routing,
} from './routing.js';

/** Values of net.ipv4.conf that routing depends on. */
export interface RoutingSettings {
  /**
   * The value of net.ipv4.conf.DEVICE.NAME, e.g. of `eth0` and `rp_filter`. `device` may be `all`. 0 if there is no
   * such setting.
   */
  of(device: string, name: string): number;
}

export interface RoutedHost {
  readonly routing: Readonly<Record<Family, Routing>>;
  readonly settings: RoutingSettings;
  /** Whether the interface has an address of IPv4. */
  hasAddress(device: string): boolean;
}

export function routePacket(host: RoutedHost, question: RouteQuestion): RouteAnswer {
  const { family, inInterface, tos } = question;
  const key: RouteKey = {
    ...question,
    inInterface: inInterface ?? 'lo',
    // The same bits as the question that this host's kernel is asked (codec/netlink/route-question.ts): without ECN,
    // and none for IPv6.
    tos: family === 4 ? tos & 0xfc : 0,
  };
  if (isMulticast(question.destination)) {
    return { to: 'unknown', words: `where ${question.destination}, a multicast address, is sent` };
  }
  const found =
    family === 6
      ? lookUp(host.routing[6], key)
      : inInterface === undefined
        ? sent4(host, key)
        : received4(host, key);
  return answerOf(found, key, question);
}

function answerOf(found: FoundEntry, key: RouteKey, question: RouteQuestion): RouteAnswer {
  if (found.kind === 'unknown') return { to: 'unknown', words: found.words };
  if (found.kind === 'error') {
    return { to: 'nowhere', words: noRouteWords(found.code, question) ?? found.code };
  }
  const { entry } = found;
  const received = question.inInterface !== undefined;
  const isOwn = entry.type === 'local' || entry.type === 'anycast';
  if (isOwn || (received && entry.type === 'broadcast')) return { to: 'host' };
  const [nextHop] = nextHopsFor(entry, key);
  const sendable = entry.type === 'unicast' || entry.type === 'broadcast';
  if (nextHop === undefined || !sendable) {
    return { to: 'nowhere', words: `the route says ${entry.type}` };
  }
  const { device, gateway } = nextHop;
  return { to: 'interface', outInterface: device, ...(gateway === undefined ? {} : { gateway }) };
}

const refused = (code: RouteError): FoundEntry => ({ kind: 'error', code });

/**
 * A packet that the host sends, as `ip_route_output_key_hash_rcu` routes it: a source that is not the host's own is
 * refused.
 */
function sent4({ routing }: RoutedHost, key: RouteKey): FoundEntry {
  const { source } = key;
  if (source !== undefined && !isOwn(routing[4], source)) return refused('EINVAL');
  return lookUp(routing[4], key);
}

/** A packet that the host receives, as `ip_route_input_slow` routes it. */
function received4(host: RoutedHost, key: RouteKey): FoundEntry {
  const { routing, settings } = host;
  const { source, destination, inInterface: device } = key;
  if (source === undefined || isNobodys(source)) return refused('EINVAL');
  if (destination.startsWith('0.')) return refused('EINVAL');
  const isLocalnet = [source, destination].some((address) => address.startsWith('127.'));
  if (isLocalnet && !isOn(settings, device, 'route_localnet')) return refused('EINVAL');
  const found = lookUp(routing[4], key);
  const forwards = settings.of(device, 'forwarding') !== 0;
  if (found.kind !== 'route') {
    return found.kind === 'error' && !forwards ? refused('EHOSTUNREACH') : found;
  }
  const { entry } = found;
  const isForHost = entry.type === 'local' || entry.type === 'broadcast';
  if (!isForHost && !forwards) return refused('EHOSTUNREACH');
  if (!isForHost && entry.type !== 'unicast') return refused('EINVAL');
  const out = isForHost ? undefined : nextHopsFor(entry, key)[0]?.device;
  return wrongSource(host, { ...key, source }, out) ?? found;
}

/**
 * Checks the source as `fib_validate_source` does, with the reverse path filter. undefined: the source is accepted.
 *
 * @param out the interface that the packet would leave by; undefined: it is for the host
 */
function wrongSource(
  host: RoutedHost,
  key: RouteKey & { readonly source: IpAddress },
  out: string | undefined,
): FoundEntry | undefined {
  const { settings, hasAddress } = host;
  const routing = host.routing[4];
  const device = key.inInterface;
  const filter = Math.max(settings.of('all', 'rp_filter'), settings.of(device, 'rp_filter'));
  const acceptsOwn = isOn(settings, device, 'accept_local');
  const redirects = isOn(settings, device, 'send_redirects');
  if (filter === 0 && (device !== out || !redirects)) {
    if (acceptsOwn) return undefined;
    const isPlain = !hasOwnRules(routing) && !hasOwnLocalRoutes(routing);
    if (isPlain) return isOwn(routing, key.source) ? refused('EINVAL') : undefined;
  }
  const back = lookUp(routing, {
    ...key,
    ...{ source: key.destination, destination: key.source, inInterface: out ?? 'lo' },
    mark: isOn(settings, device, 'src_valid_mark') ? key.mark : 0,
  });
  if (back.kind === 'unknown') return back;
  const strict = filter === 0 ? undefined : refused('EINVAL');
  if (back.kind === 'error') return strict;
  const { type, nextHops } = back.entry;
  if (type !== 'unicast' && (type !== 'local' || !acceptsOwn)) return refused('EINVAL');
  if (nextHops.some((nextHop) => nextHop.device === device)) return undefined;
  return filter === 1 || !hasAddress(device) ? strict : undefined;
}

/** A setting that holds if it is set for all interfaces, or for this one. */
function isOn(settings: RoutingSettings, device: string, name: string): boolean {
  return settings.of('all', name) !== 0 || settings.of(device, name) !== 0;
}

/** Whether somebody has added routes to table `local`, beside those that the kernel makes. */
function hasOwnLocalRoutes({ entries }: Routing): boolean {
  return entries.some(({ table, protocol }) => table === 'local' && protocol !== 'kernel');
}

/** Whether the address is one of the host's own, by table `local`. */
function isOwn(routing: Routing, address: IpAddress): boolean {
  const rules = [
    { priority: 0, inverted: false, action: { kind: 'table', table: 'local' } },
  ] as const;
  const key = { destination: address, inInterface: 'lo', mark: 0, tos: 0, protocol: 0 };
  const found = lookUp({ ...routing, rules }, { ...key, sourcePort: 0, destinationPort: 0 });
  return found.kind === 'route' && found.entry.type === 'local';
}

function isMulticast(address: IpAddress): boolean {
  if (address.includes(':')) return address.startsWith('ff');
  const [first = ''] = address.split('.');
  return Number(first) >= 224 && Number(first) < 240;
}

/** Whether the address cannot be the source of a packet. */
function isNobodys(source: IpAddress): boolean {
  return isMulticast(source) || source === '255.255.255.255' || source.startsWith('0.');
}
