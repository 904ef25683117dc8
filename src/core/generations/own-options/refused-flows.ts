/**
 * Tells which tracked connections `tsbridge.publish_from` and `tsbridge.egress_allow` would have refused. Such a
 * connection began while the rules of these options were missing, e.g. because another program had flushed them. The
 * rules let established connections pass, so without this it would go on.
 *
 * Decides as the rules of `passage.ts` do for the first packet of a connection.
 */
import {
  type Cidr,
  contains,
  type Family,
  familyOf,
  type IpAddress,
  isLoopback,
  isUnspecified,
  parseCidr,
} from '../../address.js';
import type { InterfaceName } from '../../names.js';
import type { EndpointSpec } from '../../network/endpoint.js';
import { familyIn, type NetworkSpec } from '../../network/network.js';
import { type Destination, passageOf, type Source } from '../../network/passage.js';
import { type OpenPort, type PortBinding, protocolNumber } from '../../ports/port.js';
import { translatedFamily } from '../ports/published-port.js';
import { isHeld } from './egress.js';
import { isGuarded } from './passage.js';

/** A connection as the kernel tracks it. */
export interface TrackedFlow {
  readonly family: Family;
  readonly protocol: number;
  /** Addresses and ports of the first packet, as it came; undefined for protocols without ports. */
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
  /**
   * Addresses and port of the answers, before they are translated back: the source is whoever was really reached, the
   * destination is whom it answers.
   */
  readonly replySource: IpAddress;
  readonly replySourcePort: number | undefined;
  readonly replyDestination: IpAddress;
}

/** An endpoint with what is published on it. */
export interface PassingEndpoint {
  readonly network: NetworkSpec;
  readonly endpoint: EndpointSpec;
  readonly bindings: readonly PortBinding[];
  readonly opened: readonly OpenPort[];
}

/**
 * `unlessBy`: refused, unless the host reaches the source of the connection by one of these interfaces. A tracked
 * connection does not tell its interface.
 */
export type Verdict = 'allowed' | 'refused' | { readonly unlessBy: readonly InterfaceName[] };

/** Who may reach the ports of one container. */
interface Guard {
  readonly sources: readonly Source[];
  readonly network: NetworkSpec;
}

/** What a container with `tsbridge.egress_allow` may open connections to. */
interface Held {
  readonly allow: readonly Destination[];
  readonly subnet: Cidr;
}

export class RefusedFlows {
  /** Guards of containers' ports, by protocol, address of the container and port: `6 10.5.0.2 80`. */
  readonly #ports = new Map<string, Guard>();
  /** Guards of host ports at which the proxy listens, by protocol, family and port: `6 4 8080`. */
  readonly #proxied = new Map<string, { readonly hostIp: IpAddress; readonly guard: Guard }[]>();
  /** Containers with `tsbridge.egress_allow`, by their addresses. */
  readonly #held = new Map<IpAddress, Held>();

  constructor(endpoints: Iterable<PassingEndpoint>) {
    for (const each of endpoints) this.#add(each);
  }

  /** true: no endpoint has one of the options, so that nothing is refused. */
  get isEmpty(): boolean {
    return this.#ports.size + this.#proxied.size + this.#held.size === 0;
  }

  /**
   * Judges a connection by the address and port that it reached, by the container that began it, and by the proxy's
   * port that it came to.
   *
   * @param isOwn whether an address is one of the host's own
   */
  judge(flow: TrackedFlow, isOwn: (address: IpAddress) => boolean): Verdict {
    const { protocol, replySource, replySourcePort } = flow;
    const guard = this.#ports.get(`${protocol} ${replySource} ${replySourcePort}`);
    const verdict = guard === undefined ? 'allowed' : judgeSource(guard, flow, isOwn);
    if (verdict !== 'allowed') return verdict;
    const held = this.#held.get(flow.source);
    if (held !== undefined && !mayOpen(held, flow, isOwn)) return 'refused';
    return this.judgeClient(flow, isOwn);
  }

  /**
   * As {@link judge}, but only for connections to the proxy. It also judges sockets of the host, which do not tell
   * which side began the connection.
   */
  judgeClient(flow: TrackedFlow, isOwn: (address: IpAddress) => boolean): Verdict {
    const { family, protocol, destination, destinationPort, replySource } = flow;
    if (replySource !== destination || !isOwn(destination)) return 'allowed';
    const listeners = this.#proxied.get(`${protocol} ${family} ${destinationPort}`) ?? [];
    const one = listeners.find(({ hostIp }) => isUnspecified(hostIp) || hostIp === destination);
    return one === undefined ? 'allowed' : judgeSource(one.guard, flow, isOwn);
  }

  #add({ network, endpoint, bindings, opened }: PassingEndpoint): void {
    const { publishFrom, egressAllow } = passageOf(network, endpoint);
    if (isHeld(egressAllow)) {
      for (const address of [endpoint.ipv4?.address, endpoint.ipv6?.address]) {
        const subnet = address && familyIn(network, familyOf(address))?.subnet;
        if (address && subnet) this.#held.set(address, { allow: egressAllow, subnet });
      }
    }
    if (!isGuarded(publishFrom)) return;
    const guard: Guard = { sources: publishFrom, network };
    const translated = bindings.filter((binding) => translatedFamily(binding) !== undefined);
    for (const { protocol, containerIp, containerPort } of [...translated, ...opened]) {
      this.#ports.set(`${protocolNumber[protocol]} ${containerIp} ${containerPort}`, guard);
    }
    if (!network.userlandProxy) return;
    for (const { protocol, hostIp, hostPort } of bindings) {
      const key = `${protocolNumber[protocol]} ${familyOf(hostIp)} ${hostPort}`;
      const sources = isLoopback(hostIp) ? [] : publishFrom;
      const proxied = { hostIp, guard: { sources, network } };
      this.#proxied.set(key, [...(this.#proxied.get(key) ?? []), proxied]);
    }
  }
}

/** Judges by the source of the connection. The host itself and containers of the same network are always let in. */
function judgeSource(
  { sources, network }: Guard,
  { family, source }: TrackedFlow,
  isOwn: (address: IpAddress) => boolean,
): Verdict {
  const subnet = familyIn(network, family)?.subnet;
  if (isOwn(source) || (subnet !== undefined && contains(subnet, source))) return 'allowed';
  const unlessBy: InterfaceName[] = [];
  for (const each of sources) {
    if (each.from === 'interface') unlessBy.push(each.name);
    else if (contains(each.cidr, source)) return 'allowed';
  }
  return unlessBy.length === 0 ? 'refused' : { unlessBy };
}

const icmpv6 = 58;
/** Destinations of the messages by which IPv6 finds neighbours: link-local addresses, multicast and unicast. */
const linkNetworks = ['ff02::/16', 'fe80::/10'].flatMap((text) => parseCidr(text) ?? []);

/** Whether a container with `tsbridge.egress_allow` may open the connection. */
function mayOpen(
  { allow, subnet }: Held,
  { protocol, destination, destinationPort }: TrackedFlow,
  isOwn: (address: IpAddress) => boolean,
): boolean {
  if (contains(subnet, destination) && !isOwn(destination)) return true;
  if (protocol === icmpv6) {
    if ([subnet, ...linkNetworks].some((cidr) => contains(cidr, destination))) return true;
  }
  return allow.some(({ cidr, ports, protocol: only }) => {
    if (!contains(cidr, destination)) return false;
    if (ports === undefined) return true;
    const names = only === undefined ? (['tcp', 'udp'] as const) : [only];
    const isOfProtocol = names.some((name) => protocolNumber[name] === protocol);
    const port = destinationPort ?? 0;
    return isOfProtocol && ports.first <= port && port <= ports.last;
  });
}
