/**
 * Rules of `tsbridge.egress_allow`: what containers may open connections to. They stand in table mangle, at PREROUTING,
 * where the destination is still the one that the container asked for.
 *
 * A list of the network holds whatever comes in by its bridge, and exceptions name the container. A list of one endpoint
 * holds what comes from the container's address, and also whatever comes from an address outside of the network's subnet:
 * without any privilege a container can send from its IPv6 link-local address, or from the address that it has on another
 * network, and the bridge does not tell who sent that.
 */
import { type Cidr, type Family, hostCidr, parseCidr } from '../../address.js';
import type { EndpointSpec } from '../../network/endpoint.js';
import { familyIn, type NetworkFamily, type NetworkSpec } from '../../network/network.js';
import { type Destination, type EgressAllow, passageOf } from '../../network/passage.js';
import type { Port, PortMatch } from '../../ports/port.js';
import type { Matches, PlacedRule } from '../../rules/rule.js';
import { drop, exempt } from './passage-chains.js';

/** Whether a value of the option holds anything back. */
export const isHeld = (allow: EgressAllow | undefined): allow is readonly Destination[] =>
  allow !== undefined && allow !== 'any';

/** Rules of the network's list, without its exceptions. */
export function networkEgressRules(network: NetworkSpec, family: Family): PlacedRule[] {
  if (!isHeld(network.passage?.egressAllow)) return [];
  return drops({ inInterface: network.bridge }, family, familyIn(network, family));
}

/** Rules of an endpoint: exceptions by its list or by its network's, and what its own list holds. */
export function endpointEgressRules(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  family: Family,
): PlacedRule[] {
  const { egressAllow } = passageOf(network, endpoint);
  const own = familyIn(network, family);
  const address = (family === 4 ? endpoint.ipv4 : endpoint.ipv6)?.address;
  if (egressAllow === undefined) return [];
  const shared = sharedEgressRules(network, endpoint, family);
  if (own === undefined) return shared;
  const rules: PlacedRule[] = [];
  const isNetworkHeld = isHeld(network.passage?.egressAllow);
  const container = address === undefined ? [] : [hostCidr(address)];
  const behind = (endpoint.hostRoutes ?? []).filter((prefix) => prefix.family === family);
  const sentBy = (source: Cidr): Matches => ({ source, inInterface: network.bridge });
  if (isHeld(egressAllow)) {
    for (const source of [...container, ...behind]) {
      for (const each of egressAllow) rules.push(...allowed(sentBy(source), each, family));
    }
    if (isNetworkHeld) return rules;
    for (const source of container) rules.push(...drops(sentBy(source), family, own));
    return [...rules, ...shared];
  }
  // `any`: the container's address is in the subnet, and so held by the network's list only; prefixes behind it are not,
  // and are held by lists of other containers, too.
  const held = isNetworkHeld ? [...container, ...behind] : behind;
  return held.map((source) => exempt(family, 'TSBRIDGE-EGRESS', sentBy(source)));
}

/**
 * Those of an endpoint's rules that name no address of it, so that all containers of the network that have lists of their
 * own share them: they hold what comes from outside of the network's subnet, and the family that the network does not
 * have, whose packets have no address that names a container.
 */
export function sharedEgressRules(
  network: NetworkSpec,
  endpoint: Pick<EndpointSpec, 'passage'>,
  family: Family,
): PlacedRule[] {
  const isOwnList = isHeld(passageOf(network, endpoint).egressAllow);
  if (!isOwnList || isHeld(network.passage?.egressAllow)) return [];
  const own = familyIn(network, family);
  const others = own === undefined ? {} : { source: { not: own.subnet } };
  return drops({ ...others, inInterface: network.bridge }, family, own);
}

/** iptables leaves out a network that has every address. */
export const destinationIn = (cidr: Cidr): Matches =>
  cidr.prefixLength === 0 ? {} : { destination: cidr };

function allowed(
  sent: Matches,
  { cidr, ports, protocol }: Destination,
  family: Family,
): PlacedRule[] {
  if (cidr.family !== family) return [];
  const to: Matches = { ...sent, ...destinationIn(cidr) };
  if (ports === undefined) return [exempt(family, 'TSBRIDGE-EGRESS', to)];
  const { first, last } = ports;
  const destinationPort = (first === last ? first : { first, last }) as Port | PortMatch;
  const protocols = protocol === undefined ? (['tcp', 'udp'] as const) : [protocol];
  return protocols.map((each) =>
    exempt(family, 'TSBRIDGE-EGRESS', { ...to, protocol: each, destinationPort }),
  );
}

/**
 * Drops what leaves the network, and what is for the host itself, whichever of its addresses. Lets pass what stays
 * inside, and the messages by which IPv6 finds neighbours.
 *
 * @param own undefined: the network does not have the family, so that nothing of it may leave
 */
function drops(sent: Matches, family: Family, own: NetworkFamily | undefined): PlacedRule[] {
  const dropped = (matches: Matches): PlacedRule =>
    drop(family, 'TSBRIDGE-EGRESS-DROP', { ...sent, ...matches });
  if (own === undefined) return [dropped({})];
  const { subnet } = own;
  const neighbours = family === 6 ? [...linkNetworks, subnet] : [];
  return [
    ...neighbours.map((destination) =>
      exempt(family, 'TSBRIDGE-EGRESS', { ...sent, destination, protocol: 'icmpv6' }),
    ),
    dropped({ destination: { not: subnet } }),
    dropped({ hostDestination: true }),
  ];
}

/** Destinations of the messages by which IPv6 finds neighbours: link-local addresses, multicast and unicast. */
const linkNetworks = ['ff02::/16', 'fe80::/10'].flatMap((text) => parseCidr(text) ?? []);
