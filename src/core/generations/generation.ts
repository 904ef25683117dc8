/**
 * The generations of Docker's own rules: what a module for one of them offers, and how to tell
 * from the chains on a host which one its engine writes (docs/docker-bridge.md 1.1).
 */
import type { Family } from '../address.js';
import type { InterfaceName } from '../names.js';
import type { EndpointSpec } from '../network/endpoint.js';
import type { NetworkSpec } from '../network/network.js';
import type { PortGroup } from '../ports/requests.js';
import type { OpenRun, PublishedRun } from '../ports/runs.js';
import type { FwMark } from '../rules/fw-mark.js';
import type { BaseRules } from '../rules/plan.js';
import type { Chain, DockerChain, PlacedRule } from '../rules/rule.js';
import type { RuleSet } from '../rules/rule-set.js';

/** `docker17`: 17.03; `docker20`: 17.06 to 27; `docker28`: 28.0.1 to 28.5; `docker29`: 29. */
export const generationNames = ['docker17', 'docker20', 'docker28', 'docker29'] as const;
export type GenerationName = (typeof generationNames)[number];

/** Daemon-wide settings that change rules; Docker's flags of the same names. */
export interface FirewallSettings {
  /** false is hairpin mode. */
  readonly userlandProxy: boolean;
  /**
   * true: the host's own connections to 127.0.0.0/8 do not pass chain DOCKER. Absent: as `userlandProxy`.
   * It differs while a network has another `userlandProxy` than the daemon.
   */
  readonly loopbackSpared?: boolean;
  /** Packets with this mark may pass everything but DOCKER-USER (29). */
  readonly bridgeAcceptFwmark?: FwMark | undefined;
}

/** What isolation needs of a network, so that a bridge of another driver can be isolated from, too. */
export type IsolatedNetwork = Pick<NetworkSpec, 'bridge' | 'internal'>;

/** One generation of rules. Every module has the same functions; rules are in the order in which they are added. */
export interface Generation {
  readonly name: GenerationName;
  baseRules(family: Family, settings: FirewallSettings): BaseRules;
  /** Also called for a family that the network does not have. */
  networkRules(network: NetworkSpec, family: Family, settings: FirewallSettings): PlacedRule[];
  /**
   * All rules of a network on an unmanaged bridge, in place of {@link networkRules}: what passes inside of the bridge
   * is accepted.
   */
  lanRules(bridge: InterfaceName, family: Family): PlacedRule[];
  endpointRules(network: NetworkSpec, endpoint: EndpointSpec, family: Family): PlacedRule[];
  /** None if host and container address are of different families, since only the proxy can carry that. */
  portRules(network: NetworkSpec, binding: PublishedRun, settings: FirewallSettings): PlacedRule[];
  /** What a published port comes to in mode `routed`, in generations that have it. */
  routedPortRules?(network: NetworkSpec, port: OpenRun): PlacedRule[];
  /**
   * true: the rules of {@link routedPortRules} exist from Join to Leave, also while another network is the
   * container's gateway; absent: from ProgramExternalConnectivity to RevokeExternalConnectivity.
   */
  readonly opensRoutedAtJoin?: true;
  /**
   * The rules that isolate two networks from each other, in a generation whose network rules do not. They
   * are added after the rules of `network` for every `other` network, and removed with either of the two.
   */
  pairRules?(network: IsolatedNetwork, other: IsolatedNetwork, family: Family): PlacedRule[];
  /** The rules by which containers of this bridge are not accepted as a source of `tsbridge.accept_from`; see accept-from.ts. */
  apartRules(bridge: InterfaceName, family: Family): PlacedRule[];
  /**
   * The order in which an endpoint's ports are bound and programmed (docs/docker-bridge.md 3.2);
   * groups that must get the same host port become one.
   */
  orderBindings(groups: readonly PortGroup[]): PortGroup[];
}

/** The jumps that an engine of each generation makes when it starts, oldest generation first. */
const signatures: readonly [GenerationName, jumps: readonly [chain: Chain, text: string][]][] = [
  ['docker17', [['FORWARD', '-j DOCKER-ISOLATION']]],
  ['docker20', [['FORWARD', '-j DOCKER-ISOLATION-STAGE-1']]],
  ['docker28', [...forwardJumps('DOCKER-ISOLATION-STAGE-1')]],
  ['docker29', [...forwardJumps('DOCKER-INTERNAL')]],
];

/** Both jumps count, since `iptables -F FORWARD` leaves only the second one. */
function forwardJumps(isolation: DockerChain): [Chain, string][] {
  return [
    ['FORWARD', '-j DOCKER-FORWARD'],
    ['DOCKER-FORWARD', `-j ${isolation}`],
  ];
}

/**
 * The generations whose jumps are on the host, oldest first. A newer engine removes the jumps of older
 * generations when it starts (docs/docker-bridge.md 1.4 and 1.8); an older one leaves those of newer ones.
 * So if there are several, the engine that started last is of the oldest.
 */
export function seenGenerations(observed: RuleSet): GenerationName[] {
  return signatures
    .filter(([, jumps]) =>
      jumps.every(([chain, text]) => observed.rules('filter', chain).includes(text)),
    )
    .map(([name]) => name);
}

/**
 * The generation that the host's engine writes, as far as its jumps tell.
 *
 * @param before the {@link seenGenerations} of the last reading; undefined at the first one
 * @param current the generation that the daemon writes, whose jumps it may have made itself
 */
export function engineGeneration(
  seen: readonly GenerationName[],
  before: readonly GenerationName[] | undefined,
  current: GenerationName,
): GenerationName | undefined {
  if (before === undefined) return seen[0];
  const started = seen.find((name) => !before.includes(name));
  // The daemon's jumps are gone and no new ones came: a newer engine has removed them, whose own jumps were
  // there before.
  return started ?? (seen.includes(current) ? undefined : seen[0]);
}
