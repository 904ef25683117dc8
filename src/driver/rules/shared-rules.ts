/** Rules that several endpoints of a network share, and that are removed with the last of them. */
import { endpointPassageRules } from '../../core/generations/own-options/passage.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import { familyIn, type NetworkSpec } from '../../core/network/network.js';
import type { PlacedRule } from '../../core/rules/rule.js';
import type { Registry } from '../state/registry.js';

/** The rules to remove with an endpoint: `rules`, but for those that other endpoints of the network need. */
export function withoutShared(
  registry: Pick<Registry, 'network'>,
  network: NetworkSpec,
  endpoint: EndpointSpec,
  rules: readonly PlacedRule[],
): readonly PlacedRule[] {
  // Only rules of a family that the network does not have are shared: all others name an address of the endpoint.
  const isShared = ({ rule }: PlacedRule): boolean => familyIn(network, rule.family) === undefined;
  if (!rules.some(isShared)) return rules;
  const others = [...(registry.network(network.id)?.endpoints.values() ?? [])].filter(
    ({ spec, record }) => spec.id !== endpoint.id && record.phase !== 'removing',
  );
  const isNeeded = ({ rule }: PlacedRule): boolean =>
    others.some(({ spec }) =>
      endpointPassageRules(network, spec, rule.family).some(
        (needed) => needed.rule.text === rule.text,
      ),
    );
  return rules.filter((each) => !isShared(each) || !isNeeded(each));
}
