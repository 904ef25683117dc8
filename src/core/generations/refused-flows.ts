/**
 * Which tracked connections the options of the passage would have refused: those that began while somebody's flush had left
 * the guards away. The guards let every established connection pass, so that these would stay.
 *
 * It decides as the rules of `passage.ts` do for the first packet of a connection.
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
} from '../address.js';
import type { InterfaceName } from '../names.js';
import type { EndpointSpec } from '../network/endpoint.js';
import { familyIn, type NetworkSpec } from '../network/network.js';
import { type Destination, passageOf, type Source } from '../network/passage.js';
import { type OpenPort, type PortBinding, protocolNumber } from '../ports/port.js';
import { isGuarded, isHeld } from './passage.js';
import { translatedFamily } from './published-port.js';

/** A connection as the kernel tracks it. */
export interface TrackedFlow {
  readonly family: Family;
  readonly protocol: number;
  /** Of the first packet, as it came; ports are undefined for protocols without ports. */
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
  /** Of the answers as they begin: whoever was really reached, and to whom it answers. */
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

/** With interfaces: it is allowed if the host reaches its source by one of them, which no tracked connection tells. */
export type Verdict = 'allowed' | 'refused' | { readonly unlessBy: readonly InterfaceName[] };

/** Who may reach the ports of one container. */
interface Guard {
  readonly sources: readonly Source[];
  readonly network: NetworkSpec;
}

interface Held {
  readonly allow: readonly Destination[];
  readonly subnet: Cidr;
}

export class RefusedFlows {
  /** By protocol, address and port of the container. */
  readonly #ports = new Map<string, Guard>();
  /** Ports of the host at which the proxy listens, by protocol, family and port. */
  readonly #proxied = new Map<string, { readonly hostIp: IpAddress; readonly guard: Guard }[]>();
  /** By the container's address. */
  readonly #held = new Map<IpAddress, Held>();

  constructor(endpoints: Iterable<PassingEndpoint>) {
    for (const each of endpoints) this.#add(each);
  }

  /** true: nobody has one of the options, so that nothing is refused. */
  get isEmpty(): boolean {
    return this.#ports.size + this.#proxied.size + this.#held.size === 0;
  }

  /** @param isOwn whether an address is the host's */
  judge(flow: TrackedFlow, isOwn: (address: IpAddress) => boolean): Verdict {
    const { protocol, replySource, replySourcePort } = flow;
    const guard = this.#ports.get(`${protocol} ${replySource} ${replySourcePort}`);
    const verdict = guard === undefined ? 'allowed' : judgeSource(guard, flow, isOwn);
    if (verdict !== 'allowed') return verdict;
    const held = this.#held.get(flow.source);
    if (held !== undefined && !mayOpen(held, flow, isOwn)) return 'refused';
    return this.judgeClient(flow, isOwn);
  }

  /** As {@link judge}, but only whether it may reach the proxy: also for sockets, of which nothing tells who began. */
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
      if (isLoopback(hostIp)) continue;
      const key = `${protocolNumber[protocol]} ${familyOf(hostIp)} ${hostPort}`;
      this.#proxied.set(key, [...(this.#proxied.get(key) ?? []), { hostIp, guard }]);
    }
  }
}

/** The host itself and containers of the same network are always let in. */
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
/** Where neighbours are asked for and answer. */
const linkNetworks = ['ff02::/16', 'fe80::/10'].flatMap((text) => parseCidr(text) ?? []);

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
