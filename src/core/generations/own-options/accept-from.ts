/**
 * Rules of `tsbridge.accept_from`, which Docker does not have: from these sources, containers are reached at their own
 * addresses, at every port. The rules stand before the rule or the policy that would drop such packets, and behind
 * DOCKER-USER, whose drops count more.
 *
 * A source may contain the network's own subnet, e.g. a range for the networks of all hosts. Whether containers of one
 * network reach each other is for enable_icc to decide, so the rules do not match what comes from the network's own
 * bridge.
 *
 * A source may contain other networks of the same host, too, which stay isolated from this one. Docker's isolation is not
 * enough for that: up to 27 it does not know networks without rules, in 28 those in mode `routed` pass it, and 29 has no
 * isolation chains. Therefore these rules jump to chain TSBRIDGE-ACCEPT: it returns packets that come in by the bridge of a
 * network of this host, and accepts the others.
 */
import type { Cidr, Family } from '../../address.js';
import { type InterfaceName, parseInterfaceName } from '../../names.js';
import { familyIn, isInterfaceSource, type NetworkSpec } from '../../network/network.js';
import type { BaseRules } from '../../rules/plan.js';
import { type Matches, type PlacedRule, place } from '../../rules/rule.js';
import type { RuleSet } from '../../rules/rule-set.js';

/**
 * What the chain returns goes on to Docker's drops: in raw of direct access (since 28), in filter of packets to ports that are
 * not published.
 */
const tables = ['raw', 'filter'] as const;
const chain = 'TSBRIDGE-ACCEPT';

/** What each accepted source of the family matches. */
function sources({ acceptFrom = [] }: NetworkSpec, family: Family): Matches[] {
  return acceptFrom.flatMap((source): Matches[] => {
    if (isInterfaceSource(source)) return [{ inInterface: source.interface }];
    return source.family === family ? [{ source }] : [];
  });
}

/** Whether the network accepts sources of the family. */
export const acceptsSources = (network: NetworkSpec, family: Family): boolean =>
  familyIn(network, family) !== undefined && sources(network, family).length > 0;

/** @param into FORWARD up to 27; since 28 DOCKER, at whose end each network drops what is sent to it */
export function acceptFromRules(
  network: NetworkSpec,
  family: Family,
  into: 'FORWARD' | 'DOCKER',
): PlacedRule[] {
  const elsewhere = { inInterface: { not: network.bridge }, outInterface: network.bridge };
  return sources(network, family).map((matches) =>
    place('top', family, 'filter', into, { ...elsewhere, ...matches }, { jump: chain }),
  );
}

/** Since 28 table raw drops what is sent to a container's address from outside; these rules stand before the drop. */
export function acceptRawRules(
  network: NetworkSpec,
  destination: Cidr,
  family: Family,
): PlacedRule[] {
  return sources(network, family).map((matches) =>
    place('end', family, 'raw', 'PREROUTING', { ...matches, destination }, { jump: chain }),
  );
}

/** The chains to which {@link acceptFromRules} and {@link acceptRawRules} jump, each with the rule at its end that accepts. */
export function acceptGroups(family: Family): BaseRules[] {
  return tables.map((table) => ({
    chains: [{ table, chain }],
    rules: [place('end', family, table, chain, {}, 'ACCEPT')],
  }));
}

/** The rule that returns what comes in by this bridge, so that its containers are not accepted as a source. */
export function apartRules(bridge: InterfaceName, family: Family): PlacedRule[] {
  return [apartRule('filter', bridge, family)];
}

/** The rules that do so since 28, where packets meet the chain in table raw as well. */
export function apartRawRules(bridge: InterfaceName, family: Family): PlacedRule[] {
  return tables.map((table) => apartRule(table, bridge, family));
}

const apartRule = (table: (typeof tables)[number], bridge: InterfaceName, family: Family) =>
  place('top', family, table, chain, { inInterface: bridge }, 'RETURN');

/** The bridges that have {@link apartRules} on the host, in any table. */
export function observedApart(observed: RuleSet): InterfaceName[] {
  const bridges = tables.flatMap((table) =>
    observed.rules(table, chain).flatMap((text) => {
      const bridge = parseInterfaceName(/^-i (\S+) -j RETURN$/.exec(text)?.[1] ?? '');
      return bridge === undefined ? [] : [bridge];
    }),
  );
  return [...new Set(bridges)];
}
