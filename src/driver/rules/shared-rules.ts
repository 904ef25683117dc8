/** Rules that several endpoints of a network share, and that are removed with the last of them. */
import { sharedEgressRules } from '../../core/generations/own-options/egress.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import type { NetworkSpec } from '../../core/network/network.js';
import type { PlacedRule } from '../../core/rules/rule.js';
import type { Registry } from '../state/registry.js';

/** The rules to remove with an endpoint: `rules`, but for those that other endpoints of the network need. */
export function withoutShared(
  registry: Pick<Registry, 'network'>,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  rules: readonly PlacedRule[],
): readonly PlacedRule[] {
  const sharedBy = (spec: EndpointSpec) =>
    ([4, 6] as const).flatMap((family) => sharedEgressRules(network, spec, family));
  const shared = new Set(sharedBy(endpoint).map(keyOf));
  if (shared.size === 0) return rules;
  const isNeeded = [...(registry.network(network.id)?.endpoints.values() ?? [])].some(
    ({ spec, record }) =>
      spec.id !== endpoint.id && record.phase !== 'removing' && sharedBy(spec).length > 0,
  );
  return isNeeded ? rules.filter((each) => !shared.has(keyOf(each))) : rules;
}

/** Tells rules of table mangle apart, in which all shared ones stand: two with one key are one rule on the host. */
const keyOf = ({ rule: { family, chain, text } }: PlacedRule): string =>
  `${family} ${chain} ${text}`;
