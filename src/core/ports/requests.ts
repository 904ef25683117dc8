/** Which host ports a published port asks for. */
import { anyIpv4, anyIpv6, type Family, familyOf, type IpAddress } from '../address.js';
import {
  type OpenPort,
  type Port,
  type PortBinding,
  type PortRequest,
  protocolNumber,
} from './port.js';

/** A request with its addresses: all of them get the same host port (as Docker does from 27 on). */
export interface PortGroup {
  readonly request: PortRequest;
  readonly addresses: readonly { readonly hostIp: IpAddress; readonly containerIp: IpAddress }[];
}

export interface PublishContext {
  readonly containerIpv4: IpAddress | undefined;
  readonly containerIpv6: IpAddress | undefined;
  /** The network's or the daemon's default host address; undefined is all of them. */
  readonly hostBinding: IpAddress | undefined;
  /** An IPv6 host address can lead to a container without IPv6 only through the proxy. */
  readonly userlandProxy: boolean;
  /** Whether a request without an address is also for `::`. */
  readonly ipv6Listenable: boolean;
  /** Another endpoint of the container is its IPv6 gateway (28, docs/docker-bridge.md 3.2). */
  readonly noProxy6To4: boolean;
  /** The network's families in mode `routed`, where ports have no host side. */
  readonly routed: readonly Family[];
}

/**
 * The host addresses of each request, IPv4 before IPv6; requests that lead nowhere are left out,
 * and so is what {@link routedPorts} gives.
 */
export function expandRequests(
  requests: readonly PortRequest[],
  context: PublishContext,
): PortGroup[] {
  return requests.flatMap((request) => {
    const addresses = hostAddresses(request.hostIp, context).flatMap((hostIp) => {
      const containerIp = containerAddress(hostIp, context);
      const routed = context.routed.includes(familyOf(hostIp));
      return containerIp === undefined || routed ? [] : [{ hostIp, containerIp }];
    });
    return addresses.length === 0 ? [] : [{ request, addresses }];
  });
}

export interface RoutedPorts {
  /** In the order in which Docker opens them: by container port, then protocol number. */
  readonly ports: readonly OpenPort[];
  /** Requests for a host port that there is none of. */
  readonly ignored: readonly PortRequest[];
}

/** What the requests come to in the families that are routed (docs/docker-bridge.md 3.2). */
export function routedPorts(
  requests: readonly PortRequest[],
  context: PublishContext,
): RoutedPorts {
  const ports = new Map<string, OpenPort>();
  const ignored = new Set<PortRequest>();
  for (const request of requests) {
    const { protocol, containerPort } = request;
    for (const hostIp of hostAddresses(request.hostIp, context)) {
      const family = familyOf(hostIp);
      const containerIp = family === 4 ? context.containerIpv4 : context.containerIpv6;
      if (containerIp === undefined || !context.routed.includes(family)) continue;
      ports.set(`${family} ${containerPort} ${protocol}`, { protocol, containerIp, containerPort });
      if (request.hostPorts !== undefined) ignored.add(request);
    }
  }
  const ordered = [...ports.values()].sort(
    (a, b) =>
      a.containerPort - b.containerPort || protocolNumber[a.protocol] - protocolNumber[b.protocol],
  );
  return { ports: ordered, ignored: [...ignored] };
}

function hostAddresses(wanted: IpAddress | undefined, context: PublishContext): IpAddress[] {
  if (wanted !== undefined) return [wanted];
  const { hostBinding } = context;
  if (hostBinding !== undefined && hostBinding !== anyIpv4) return [hostBinding];
  return context.ipv6Listenable ? [anyIpv4, anyIpv6] : [anyIpv4];
}

function containerAddress(hostIp: IpAddress, context: PublishContext): IpAddress | undefined {
  if (familyOf(hostIp) === 4) return context.containerIpv4;
  if (context.containerIpv6 !== undefined) return context.containerIpv6;
  return context.userlandProxy && !context.noProxy6To4 ? context.containerIpv4 : undefined;
}

export function bindingsOf(group: PortGroup, hostPort: Port): PortBinding[] {
  const { protocol, containerPort } = group.request;
  return group.addresses.map((addresses) => ({ protocol, hostPort, containerPort, ...addresses }));
}
