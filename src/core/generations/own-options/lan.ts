/**
 * The rules of a network on an unmanaged bridge, in place of Docker's. Those drop what other networks send out by the
 * bridge (`DOCKER-ISOLATION-STAGE-2 -o BRIDGE -j DROP`): if it carries the host's NIC, the others would reach nothing.
 */
import { familiesOf, type NetworkSpec } from '../../network/network.js';
import type { Generation } from '../generation.js';
import { mappedVariantOf } from './mapped.js';

/** The generation with the rules that the network gets: as it is, or in its variant for the LAN or for mapped ports. */
export function generationFor(
  generation: Generation,
  { lanFirewall, portRules }: Pick<NetworkSpec, 'lanFirewall' | 'portRules'>,
): Generation {
  if (lanFirewall !== undefined) return variantOf(generation);
  return portRules === 'map' ? mappedVariantOf(generation) : generation;
}

/**
 * The variants that were made. A generation always has the same one, since kept rules are compared by the object that
 * made them.
 */
const variants = new WeakMap<Generation, Generation>();

function variantOf(generation: Generation): Generation {
  const known = variants.get(generation);
  if (known !== undefined) return known;
  const { pairRules: _, ...rest } = generation;
  const variant: Generation = {
    ...rest,
    networkRules(network, family) {
      const families = familiesOf(network);
      // A network without addresses from IPAM gets the rule in both families: its containers may have any address of
      // the LAN.
      const has = families.length === 0 || families.some((own) => own.family === family);
      if (!has || network.lanFirewall === 'none') return [];
      return generation.lanRules(network.bridge, family);
    },
    endpointRules: () => [],
    portRules: () => [],
    routedPortRules: () => [],
  };
  variants.set(generation, variant);
  return variant;
}
