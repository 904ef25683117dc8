/** By what a rule is known to be ours. */
import type { Family } from '../../core/address.js';
import { familyIn, isManaged, type NetworkSpec } from '../../core/network/network.js';
import type { OwnThings } from '../../core/rules/stale.js';
import { hostPortsOf, portsToWrite, type Registry } from '../state/registry.js';

/**
 * The bridges, subnets and ports by which a rule is known to be ours. undefined while a network's record
 * cannot be read, since that network's rules could be taken for stale ones. A network that is being removed
 * has no subnet any more: its removal can take long, and the subnet be given out meanwhile.
 *
 * @param present all networks but those that are being removed
 */
export function ownThings(
  registry: Registry,
  present: readonly NetworkSpec[],
  family: Family,
): OwnThings | undefined {
  // The ports of a publication whose record cannot be read are on the endpoint's record.
  if (registry.unreadable.all().some(({ kind }) => kind !== 'publication')) return undefined;
  const networks = registry.networks();
  const bridgesOf = (made: boolean): ReadonlySet<string> =>
    new Set(
      networks.flatMap(({ spec, record }) => (record.bridgeMade === made ? spec.bridge : [])),
    );
  return {
    bridges: bridgesOf(true),
    sharedBridges: bridgesOf(false),
    // The subnet of an unmanaged bridge is the LAN's, which rules of others name, too.
    subnets: present.filter(isManaged).flatMap((spec) => familyIn(spec, family)?.subnet ?? []),
    bindings: registry.endpoints().flatMap((state) => hostPortsOf(portsToWrite(state))),
  };
}
