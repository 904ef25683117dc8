/**
 * Proxy NDP (RFC 4389 in its simplest form): on another interface, the host answers neighbour solicitations for
 * addresses of containers. So a router that takes the containers' subnet for its own link reaches them without a route.
 */
import type { IpAddress } from '../address.js';
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
  { ndpProxy }: NetworkSpec,
  uplink: string | undefined,
): NeighbourProxy[] {
  const device = ndpProxy === 'uplink' ? uplink : ndpProxy;
  if (device === undefined || endpoint.ipv6 === undefined) return [];
  return [{ address: endpoint.ipv6.address, device }];
}

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

/**
 * Kernel settings of an interface on which the host answers. Without `proxy_ndp` the kernel does not answer, and with
 * the usual `proxy_delay` up to 0.8 s late.
 */
export function answeringSysctls(
  device: string,
): readonly { readonly path: SysctlPath; readonly value: '0' | '1' }[] {
  return [
    { path: `net/ipv6/conf/${device}/proxy_ndp` as SysctlPath, value: '1' },
    { path: `net/ipv6/neigh/${device}/proxy_delay` as SysctlPath, value: '0' },
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
