/** Rules about a network and the other networks of the host, those of other drivers among them. */
import type { Family } from '../../address.js';
import { isManaged, type NetworkSpec } from '../../network/network.js';
import type { PlacedRule } from '../../rules/rule.js';
import type { RuleSet } from '../../rules/rule-set.js';
import { forwardedBridges } from '../forwarded-bridges.js';
import type { Generation, IsolatedNetwork } from '../generation.js';
import { acceptsSources, observedApart } from './accept-from.js';

/** The networks of the host, as one generation of rules sees them. */
export interface HostNetworks {
  readonly generation: Generation;
  /**
   * All of ours but those that are being removed; also those for which no rules are written (`tsbridge.iptables=false`),
   * whose containers the rules of the others keep out as well.
   */
  readonly networks: readonly NetworkSpec[];
  /** The family's rules on the host: they name the bridges of other drivers' networks. */
  readonly observed: RuleSet;
}

/**
 * The rules that isolate `network` from each of the others, in a generation that does so by pairs. A network for which no
 * rules are written is isolated from nobody, as in the other generations.
 */
export function pairRules(
  { generation, networks, observed }: HostNetworks,
  network: NetworkSpec,
  family: Family,
): PlacedRule[] {
  if (generation.pairRules === undefined) return [];
  const others = new Map<string, IsolatedNetwork>();
  for (const bridge of forwardedBridges(observed)) others.set(bridge, { bridge, internal: false });
  for (const spec of networks.filter(isManaged)) {
    if (spec.ruleFamilies.includes(family)) others.set(spec.bridge, spec);
  }
  others.delete(network.bridge);
  return [...others.values()].flatMap(
    (other) => generation.pairRules?.(network, other, family) ?? [],
  );
}

/**
 * The rules by which no network of the host is accepted as a source of `tsbridge.accept_from`: one for the bridge of each
 * network. None while no network accepts sources.
 */
export function allApart(host: HostNetworks, family: Family): PlacedRule[] {
  if (!areSourcesAccepted(host, family)) return [];
  const { generation, networks, observed } = host;
  const bridges = new Set(
    (['FORWARD', 'DOCKER-BRIDGE'] as const).flatMap((chain) => forwardedBridges(observed, chain)),
  );
  for (const { bridge } of networks.filter(isManaged)) bridges.add(bridge);
  return [...bridges].flatMap((bridge) => generation.apartRules(bridge, family));
}

/** The part of {@link allApart} that is written with a network: all of it if the network accepts sources, or else its own bridge's. */
export function apartWith(host: HostNetworks, network: NetworkSpec, family: Family): PlacedRule[] {
  if (acceptsSources(network, family)) {
    const networks = [...host.networks.filter(({ id }) => id !== network.id), network];
    return allApart({ ...host, networks }, family);
  }
  return areSourcesAccepted(host, family) ? apartOf(host, network, family) : [];
}

/**
 * The rules that are removed with a network: its own bridge's, and with the last network that accepts sources all that are
 * on the host. What is desired does not tell these: networks that are removed at the same time are not in it.
 */
export function apartAfter(host: HostNetworks, network: NetworkSpec, family: Family): PlacedRule[] {
  const networks = host.networks.filter(({ id }) => id !== network.id);
  const own = apartOf(host, network, family);
  const isLast = acceptsSources(network, family) && !areSourcesAccepted({ networks }, family);
  if (!isLast) return own;
  const others = observedApart(host.observed).filter((bridge) => bridge !== network.bridge);
  return [...own, ...others.flatMap((bridge) => host.generation.apartRules(bridge, family))];
}

const apartOf = ({ generation }: HostNetworks, network: NetworkSpec, family: Family) =>
  isManaged(network) ? generation.apartRules(network.bridge, family) : [];

const areSourcesAccepted = ({ networks }: Pick<HostNetworks, 'networks'>, family: Family) =>
  networks.some((network) => acceptsSources(network, family));
