/**
 * Rules of `tsbridge.accept_from`, which Docker does not have: from these sources, containers are reached at their own
 * addresses, at every port. The rules stand before the rule or the policy that would drop such packets, and behind
 * DOCKER-USER, whose drops count more.
 *
 * A source may contain the network's own subnet, e.g. a range for the networks of all hosts. Whether containers of one
 * network reach each other is for enable_icc to decide, so the rules do not match what comes from the network's own
 * bridge.
 *
 * It may contain other networks of the same host, too, which stay isolated from this one as Docker isolates them. Up to
 * 27 the isolation chains come before these rules. Since 28 they do not for networks in mode `routed`, and 29 has none, so
 * that these rules lead to chain TSBRIDGE-ACCEPT: it returns packets that come in by the bridge of a network of this
 * host, and accepts the others.
 */
import type { Cidr, Family } from '../address.js';
import type { InterfaceName } from '../names.js';
import { familyIn, isInterfaceSource, type NetworkSpec } from '../network/network.js';
import type { BaseRules } from '../rules/plan.js';
import { type Matches, type PlacedRule, place, type Target } from '../rules/rule.js';

/** In raw, what is not accepted meets the drop of direct access; in filter, that of ports that are not published. */
const tables = ['raw', 'filter'] as const;
const chain = 'TSBRIDGE-ACCEPT';

/** What each accepted source of the family matches. */
function sources({ acceptFrom = [] }: NetworkSpec, family: Family): Matches[] {
  return acceptFrom.flatMap((source): Matches[] => {
    if (isInterfaceSource(source)) return [{ inInterface: source.interface }];
    return source.family === family ? [{ source }] : [];
  });
}

/** Whether the network lets sources of the family in. */
export const acceptsSources = (network: NetworkSpec, family: Family): boolean =>
  familyIn(network, family) !== undefined && sources(network, family).length > 0;

/** @param into FORWARD up to 27; since 28 DOCKER, at whose end each network drops what is sent to it */
export function acceptFromRules(
  network: NetworkSpec,
  family: Family,
  into: 'FORWARD' | 'DOCKER',
): PlacedRule[] {
  const elsewhere = { inInterface: { not: network.bridge }, outInterface: network.bridge };
  const target: Target = into === 'FORWARD' ? 'ACCEPT' : { jump: chain };
  return sources(network, family).map((matches) =>
    place('top', family, 'filter', into, { ...elsewhere, ...matches }, target),
  );
}

/** Since 28 table raw drops what is sent to a container's address from outside; these stand before that. */
export function acceptRawRules(
  network: NetworkSpec,
  destination: Cidr,
  family: Family,
): PlacedRule[] {
  return sources(network, family).map((matches) =>
    place('end', family, 'raw', 'PREROUTING', { ...matches, destination }, { jump: chain }),
  );
}

/** The chains that {@link acceptFromRules} and {@link acceptRawRules} lead to. */
export function acceptGroups(family: Family): BaseRules[] {
  return tables.map((table) => ({
    chains: [{ table, chain }],
    rules: [place('end', family, table, chain, {}, 'ACCEPT')],
  }));
}

/** Keeps the containers of a bridge out of what the host's networks accept. */
export function apartRules(bridge: InterfaceName, family: Family): PlacedRule[] {
  return tables.map((table) =>
    place('top', family, table, chain, { inInterface: bridge }, 'RETURN'),
  );
}
