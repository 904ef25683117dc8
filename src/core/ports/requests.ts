/** Which host ports a published port asks for, against what is taken. */
import {
  anyIpv4,
  anyIpv6,
  type Family,
  familyOf,
  type IpAddress,
  isUnspecified,
} from '../address.js';
import { DriverError } from '../errors.js';
import {
  hostAndPort,
  type OpenPort,
  type Port,
  type PortBinding,
  type PortRequest,
  type Protocol,
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
  /** Whether the host can listen on IPv6 at all. */
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

/** Inclusive; Docker's default if the kernel does not say. */
export interface PortRange {
  readonly first: Port;
  readonly last: Port;
}
export const defaultEphemeralRange = { first: 49153, last: 65535 } as PortRange;

/** The text of `/proc/sys/net/ipv4/ip_local_port_range`. */
export function parseEphemeralRange(text: string | undefined): PortRange {
  const [first, last] = (text ?? '').trim().split(/\s+/).map(Number);
  if (!first || !last || first > last || last > 65535) return defaultEphemeralRange;
  return { first, last } as PortRange;
}

export function bindingsOf(group: PortGroup, hostPort: Port): PortBinding[] {
  const { protocol, containerPort } = group.request;
  return group.addresses.map((addresses) => ({ protocol, hostPort, containerPort, ...addresses }));
}

interface Holder {
  readonly hostIp: IpAddress;
  readonly owner: string;
}

/**
 * Which host ports are given out. An unspecified address needs the port free on every address of
 * its family, a specific one on itself and on the unspecified one (as Docker does from 28.3 on).
 */
export class PortAllocator {
  /** `tcp 8080` → address → who has it. */
  readonly #taken = new Map<string, Map<IpAddress, string>>();
  /** Address, protocol and range → the port given out last: a search goes on behind it. */
  readonly #last = new Map<string, number>();

  constructor(private readonly ephemeral: PortRange) {}

  /**
   * Takes one host port for all addresses of the group. `owner` is for the error of who comes
   * second. Throws `port-allocated` in Docker's words if there is none.
   */
  take(group: PortGroup, owner: string): PortBinding[] {
    const { protocol, hostPorts } = group.request;
    const range = hostPorts ?? this.ephemeral;
    const size = range.last - range.first + 1;
    // Nothing is searched for a single port, of which there may be 60,000.
    const searched = size === 1 ? [] : group.addresses;
    const keys = searched.map(({ hostIp }) => `${hostIp} ${protocol} ${range.first}-${range.last}`);
    const last = this.#last.get(keys[0] ?? '') ?? range.last;
    for (let step = 1; step <= size; step += 1) {
      const port = (range.first + ((last - range.first + step) % size)) as Port;
      if (group.addresses.some(({ hostIp }) => this.#holder(protocol, hostIp, port))) continue;
      for (const key of keys) this.#last.set(key, port);
      const bindings = bindingsOf(group, port);
      this.add(bindings, owner);
      return bindings;
    }
    throw this.#refusal(group, range);
  }

  /** Marks bindings as taken without asking: those of records. */
  add(bindings: readonly PortBinding[], owner: string): void {
    for (const { protocol, hostPort, hostIp } of bindings) {
      const key = `${protocol} ${hostPort}`;
      const holders = this.#taken.get(key) ?? new Map<IpAddress, string>();
      this.#taken.set(key, holders.set(hostIp, owner));
    }
  }

  release(bindings: readonly PortBinding[]): void {
    for (const { protocol, hostPort, hostIp } of bindings) {
      const key = `${protocol} ${hostPort}`;
      const holders = this.#taken.get(key);
      holders?.delete(hostIp);
      if (holders?.size === 0) this.#taken.delete(key);
    }
  }

  /** Whoever has the port there, and on which address. */
  #holder(protocol: Protocol, hostIp: IpAddress, port: Port): Holder | undefined {
    const holders = this.#taken.get(`${protocol} ${port}`);
    if (holders === undefined) return undefined;
    const family = familyOf(hostIp);
    for (const [other, owner] of holders) {
      if (familyOf(other) !== family) continue;
      if (other === hostIp || isUnspecified(other) || isUnspecified(hostIp)) {
        return { hostIp: other, owner };
      }
    }
    return undefined;
  }

  #refusal(group: PortGroup, range: PortRange): DriverError {
    const { protocol } = group.request;
    if (range.first !== range.last) {
      return new DriverError(
        'port-allocated',
        `all ports are allocated: no ${protocol} port of ${range.first}-${range.last} is free for ` +
          `container port ${group.request.containerPort}; publish a wider range, or stop a container`,
      );
    }
    const held = group.addresses
      .map(({ hostIp }) => this.#holder(protocol, hostIp, range.first))
      .find((holder) => holder !== undefined);
    const where = held === undefined ? range.first : hostAndPort(held.hostIp, range.first);
    return new DriverError(
      'port-allocated',
      `Bind for ${where} failed: port is already allocated (${protocol}, by ${held?.owner}); ` +
        'publish another host port, or stop that container',
    );
  }
}
