/**
 * Rules of `tsbridge.accept_from`, which Docker does not have: from these sources, containers are reached at their own
 * addresses, at every port. The rules stand before the rule or the policy that would drop such packets, and behind
 * DOCKER-USER, whose drops count more.
 *
 * A source may contain the network's own subnet, e.g. a range for the networks of all hosts. Whether containers of one
 * network reach each other is for enable_icc to decide, so the rules do not match what comes from the network's own
 * bridge.
 */
import type { Cidr, Family } from '../address.js';
import { isInterfaceSource, type NetworkSpec } from '../network/network.js';
import { type Matches, type PlacedRule, place } from '../rules/rule.js';

/** What each accepted source of the family matches. */
function sources({ acceptFrom = [] }: NetworkSpec, family: Family): Matches[] {
  return acceptFrom.flatMap((source): Matches[] => {
    if (isInterfaceSource(source)) return [{ inInterface: source.interface }];
    return source.family === family ? [{ source }] : [];
  });
}

/** @param chain FORWARD up to 27; since 28 DOCKER, at whose end each network drops what is sent to it */
export function acceptFromRules(
  network: NetworkSpec,
  family: Family,
  chain: 'FORWARD' | 'DOCKER',
): PlacedRule[] {
  const elsewhere = { inInterface: { not: network.bridge }, outInterface: network.bridge };
  return sources(network, family).map((matches) =>
    place('top', family, 'filter', chain, { ...elsewhere, ...matches }, 'ACCEPT'),
  );
}

/** Since 28 table raw drops what is sent to a container's address from outside; these stand before that. */
export function acceptRawRules(
  network: NetworkSpec,
  destination: Cidr,
  family: Family,
): PlacedRule[] {
  return sources(network, family).map((matches) =>
    place('end', family, 'raw', 'PREROUTING', { ...matches, destination }, 'ACCEPT'),
  );
}
