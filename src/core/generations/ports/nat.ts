/**
 * Table nat: the rules that all generations write in the same words (docs/docker-bridge.md 1.3 and
 * 2.7).
 */
import type { Cidr, Family } from '../../address.js';
import type { InterfaceName } from '../../names.js';
import type { NetworkFamily } from '../../network/network.js';
import { type Matches, type PlacedRule, place, type Target } from '../../rules/rule.js';
import type { FirewallSettings } from '../generation.js';

/**
 * Leads what is addressed to the host through chain DOCKER. With the userland proxy on, the host's own
 * connections to a loopback address do not go there: the proxy takes them.
 */
export function translationJumps(family: Family, settings: FirewallSettings): PlacedRule[] {
  const local: Matches = { localDestination: true };
  const own: Matches = settings.userlandProxy
    ? { ...local, destination: { not: loopbackNetwork(family) } }
    : local;
  return [
    place('end', family, 'nat', 'PREROUTING', local, { jump: 'DOCKER' }),
    place('end', family, 'nat', 'OUTPUT', own, { jump: 'DOCKER' }),
  ];
}

/** Gives what leaves the network an address of the host as its source. */
export function outwardTranslation(bridge: InterfaceName, own: NetworkFamily): PlacedRule {
  const outward: Matches = { source: own.subnet, outInterface: { not: bridge } };
  return place('top', own.family, 'nat', 'POSTROUTING', outward, hostSource(own));
}

/** Ends chain DOCKER for containers of the network: they reach published ports through the proxy. */
export function proxyReturn(bridge: InterfaceName, family: Family): PlacedRule {
  return place('top', family, 'nat', 'DOCKER', { inInterface: bridge }, 'RETURN');
}

/**
 * In hairpin mode the host connects to its containers from an address of its own; a container can only
 * answer an address that it has a route to.
 */
export function hostTranslation(bridge: InterfaceName, own: NetworkFamily): PlacedRule {
  const fromHost: Matches = { localSource: true, outInterface: bridge };
  return place('top', own.family, 'nat', 'POSTROUTING', fromHost, hostSource(own));
}

function hostSource({ hostAddress }: NetworkFamily): Target {
  return hostAddress === undefined ? 'MASQUERADE' : { snat: hostAddress };
}

/** `127.0.0.0/8` or `::1/128`. */
export function loopbackNetwork(family: Family): Cidr {
  return (
    family === 4
      ? { family, address: '127.0.0.0', prefixLength: 8 }
      : { family, address: '::1', prefixLength: 128 }
  ) as Cidr;
}
