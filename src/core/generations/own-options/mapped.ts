/**
 * The rules of a network with `tsbridge.port_rules=map`: those of Docker's generation, but that its published ports have
 * none of their own. The map (core/port-map) translates them, and one rule of the network's accepts in chain DOCKER
 * whatever was translated.
 */
import type { Family } from '../../address.js';
import { familyIn, type NetworkSpec } from '../../network/network.js';
import { type PlacedRule, place } from '../../rules/rule.js';
import type { Generation } from '../generation.js';

/** The variant of each generation, made once: who compares generations by identity finds the same object. */
const variants = new WeakMap<Generation, Generation>();

export function mappedVariantOf(generation: Generation): Generation {
  const known = variants.get(generation);
  if (known !== undefined) return known;
  const variant: Generation = {
    ...generation,
    networkRules: (network, family, settings) => [
      ...generation.networkRules(network, family, settings),
      ...translatedRule(network, family),
    ],
    // A port's place in table mangle (CHECKSUM, for SCTP up to 27) has no counterpart in nf_tables; a port in mode
    // `routed` is not translated.
    portRules(network, binding, settings) {
      const { hostIp, protocol } = binding;
      const mode = familyIn(network, hostIp.includes(':') ? 6 : 4)?.gatewayMode;
      if (mode !== 'routed' && protocol !== 'sctp') return [];
      const rules = generation.portRules(network, binding, settings);
      return mode === 'routed' ? rules : rules.filter(({ rule }) => rule.table === 'mangle');
    },
  };
  variants.set(generation, variant);
  return variant;
}

/**
 * Above the drop of what is sent to the network's unpublished ports. With `nat-unprotected` everything is accepted
 * already, and in mode `routed` nothing is translated.
 */
function translatedRule(network: NetworkSpec, family: Family): PlacedRule[] {
  const { bridge, internal } = network;
  if (internal || familyIn(network, family)?.gatewayMode !== 'nat') return [];
  const inwards = { inInterface: { not: bridge }, outInterface: bridge, translated: true } as const;
  return [place('top', family, 'filter', 'DOCKER', inwards, 'ACCEPT')];
}
