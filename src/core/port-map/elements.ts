/**
 * What the tables of `tsbridge.port_rules=map` hold: the published ports themselves, and what chain DOCKER of iptables
 * would ask before it translates a packet.
 */
import { type Family, familyOf, type IpAddress, isLoopback, isUnspecified } from '../address.js';
import { translatedFamily } from '../generations/ports/published-port.js';
import type { InterfaceName } from '../names.js';
import { familyIn, isManaged, type NetworkSpec } from '../network/network.js';
import type { PortBinding } from '../ports/port.js';
import type { SetName } from './table.js';

/** One part of a key or of what it leads to: an address or a name, the number of a protocol or port. */
export type Part = string | number;

export interface Element {
  readonly set: SetName;
  readonly key: readonly Part[];
  /** Of the map: address and port of the container. */
  readonly data?: readonly Part[];
}

/**
 * The addresses in keys of ports that are published on all addresses: for packets to an address of the host, and to a
 * loopback address.
 */
export const anyAddress = { 4: '0.0.0.0', 6: '::' } as const;
export const anyLoopback = '127.0.0.0';

const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const;
const protocolNames: ReadonlyMap<Part, string> = new Map(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name]),
);

/** As nft prints it: `ports 0.0.0.0 . tcp . 8080 : 172.18.0.2 . 80`. Equal for equal elements. */
export function elementText({ set, key, data }: Element): string {
  const leads = data === undefined ? '' : ` : ${data.join(' . ')}`;
  return `${keyText({ set, key })}${leads}`;
}

/** {@link elementText} without its data: what the kernel removes an element by. */
export function keyText({ set, key }: Pick<Element, 'set' | 'key'>): string {
  const parts = key.map((part, at) => {
    const isProtocol = at === 1 && key.length === 3;
    return isProtocol ? (protocolNames.get(part) ?? part) : part;
  });
  return `${set} ${parts.join(' . ')}`;
}

/** The families in which published ports of the network are in the map. */
export function mapFamilies(network: NetworkSpec): Family[] {
  if (network.portRules !== 'map' || network.internal || !isManaged(network)) return [];
  return ([4, 6] as const).filter((family) => {
    const mode = familyIn(network, family)?.gatewayMode;
    return mode !== undefined && mode !== 'routed' && network.ruleFamilies.includes(family);
  });
}

/** The network's own containers reach all published ports through the proxy (`-i BRIDGE -j RETURN` in chain DOCKER). */
export function bridgeElements(network: NetworkSpec, family: Family): Element[] {
  const { bridge, internal, masquerade, userlandProxy } = network;
  const isSpared = masquerade && userlandProxy && !internal && isManaged(network);
  const has = familyIn(network, family) !== undefined && network.ruleFamilies.includes(family);
  return isSpared && has ? [bridgeElement(bridge)] : [];
}

export function bridgeElement(bridge: InterfaceName): Element {
  return { set: 'bridges', key: [bridge] };
}

/** The elements of the published ports of a family that the network has in the map. */
export function portElements(
  network: NetworkSpec,
  bindings: readonly PortBinding[],
  family: Family,
): Element[] {
  const elements: Element[] = [];
  const itself = new Set<IpAddress>();
  for (const binding of bindings) {
    if (translatedFamily(binding) !== family) continue;
    elements.push(...elementsOf(network, binding));
    if (!network.userlandProxy) itself.add(binding.containerIp);
  }
  for (const address of itself) elements.push({ set: 'itself', key: [address, address] });
  return elements;
}

function elementsOf(network: NetworkSpec, binding: PortBinding): Element[] {
  const { hostIp, hostPort, containerIp, containerPort, protocol } = binding;
  const number = protocolNumbers[protocol];
  const data = [containerIp, containerPort];
  const port = (address: string): Element => ({
    set: 'ports',
    key: [address, number, hostPort],
    data,
  });
  const { bridge, masquerade, userlandProxy } = network;
  const any = isUnspecified(hostIp);
  const looped = familyOf(hostIp) === 4 && isLoopback(hostIp);
  // The proxy carries what the host sends to a loopback address; in hairpin mode, that of IPv6.
  const carried = isLoopback(hostIp) && (userlandProxy || !looped);
  return [
    ...(carried ? [] : [port(any ? anyAddress[familyOf(hostIp)] : hostIp)]),
    ...(any && familyOf(hostIp) === 4 && !userlandProxy ? [port(anyLoopback)] : []),
    // A machine of the same link could route 127.0.0.0/8 to this host, and reach the port: rules drop that.
    ...(looped ? [{ set: 'loopback', key: [hostIp, number, hostPort] } as const] : []),
    // Without masquerading only the network's own containers reach the port by the proxy; with it, set `bridges`
    // spares them all ports.
    ...(userlandProxy && !masquerade
      ? [{ set: 'inside', key: [bridge, number, hostPort] } as const]
      : []),
  ];
}
