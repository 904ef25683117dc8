/**
 * Proxy NDP (RFC 4389 in its simplest form) and proxy ARP (RFC 1027): on another interface, the host answers for addresses
 * of containers. So whoever takes the containers' subnet for its own link reaches them without a route.
 */
import { type Family, familyOf, type IpAddress } from '../address.js';
import type { EndpointSpec } from './endpoint.js';
import type { NetworkSpec } from './network.js';
import type { SysctlPath } from './sysctls.js';

/** An address, and the interface on which the host answers for it. */
export interface NeighbourProxy {
  readonly address: IpAddress;
  readonly device: string;
}

export interface ObservedProxy extends NeighbourProxy {
  /** Whether the entry has the protocol number of our routes. undefined: the kernel (before 5.0) keeps no number. */
  readonly isOurs: boolean | undefined;
}

export interface ProxyStep {
  readonly kind: 'add' | 'remove';
  readonly proxy: NeighbourProxy;
}

/**
 * The entries that the host has for an endpoint, from its Join to its end.
 *
 * @param uplink interface of the default route; undefined: there is none
 */
export function proxiesOf(
  endpoint: EndpointSpec,
  { ndpProxy, parent }: NetworkSpec,
  uplink: string | undefined,
): NeighbourProxy[] {
  const ipv6Device = parent ?? (ndpProxy === 'uplink' ? uplink : ndpProxy);
  return [
    { cidr: endpoint.ipv4, device: parent },
    { cidr: endpoint.ipv6, device: ipv6Device },
  ].flatMap(({ cidr, device }) =>
    cidr === undefined || device === undefined ? [] : [{ address: cidr.address, device }],
  );
}

/** Whether the host has to answer for the endpoint, on whatever interface. */
export const isProxied = (endpoint: EndpointSpec, { ndpProxy, parent }: NetworkSpec): boolean =>
  (parent !== undefined && endpoint.ipv4 !== undefined) ||
  ((parent ?? ndpProxy) !== undefined && endpoint.ipv6 !== undefined);

/** The steps from the observed entries to the desired ones, additions first. Entries of others are left alone. */
export function planProxies(
  desired: readonly NeighbourProxy[],
  observed: readonly ObservedProxy[],
): ProxyStep[] {
  const texts = new Set(desired.map(proxyText));
  const there = new Set(observed.map(proxyText));
  const added = new Map(
    desired.filter((each) => !there.has(proxyText(each))).map((each) => [proxyText(each), each]),
  );
  const surplus = observed.filter((each) => each.isOurs === true && !texts.has(proxyText(each)));
  return [
    ...[...added.values()].map((proxy) => ({ kind: 'add', proxy }) as const),
    ...surplus.map((proxy) => ({ kind: 'remove', proxy }) as const),
  ];
}

export interface AnsweringSysctl {
  readonly path: SysctlPath;
  readonly value: '0' | '1';
}

/**
 * Kernel settings of the interfaces on which the host answers. Without `proxy_ndp` the kernel does not answer for IPv6, and
 * with the usual `proxy_delay` it answers up to 0.8 s late.
 */
export function answeringSysctls(proxies: readonly NeighbourProxy[]): readonly AnsweringSysctl[] {
  const settings = new Map<string, AnsweringSysctl>();
  for (const { address, device } of proxies) {
    const family = familyOf(address);
    for (const setting of settingsOn(device, family)) settings.set(setting.path, setting);
  }
  return [...settings.values()];
}

function settingsOn(device: string, family: Family): AnsweringSysctl[] {
  const delay = `net/ipv${family}/neigh/${device}/proxy_delay` as SysctlPath;
  const answer = `net/ipv6/conf/${device}/proxy_ndp` as SysctlPath;
  return [
    ...(family === 6 ? [{ path: answer, value: '1' } as const] : []),
    { path: delay, value: '0' },
  ];
}

/** `fd00:5::2 dev eth0`, as `ip neigh show proxy` has it. */
export const proxyText = ({ address, device }: NeighbourProxy): string =>
  `${address} dev ${device}`;

/** For logs and `--dry-run`. */
export function describeProxyStep({ kind, proxy }: ProxyStep): string {
  const { address, device } = proxy;
  return kind === 'add'
    ? `answer for ${address} on ${device}`
    : `answer for ${address} on ${device} no more`;
}
