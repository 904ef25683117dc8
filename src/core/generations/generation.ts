/**
 * The generations of Docker's own rules: what a module for one of them offers, and how to tell
 * from the chains on a host which one its engine writes (docs/docker-bridge.md 1.1).
 */
import type { Family } from '../address.js';
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
   * Whether the host's own connections to 127.0.0.0/8 do not pass chain DOCKER. As `userlandProxy`
   * unless a network was told otherwise than the daemon.
   */
  readonly loopbackSpared?: boolean;
  /** Packets with this mark may pass everything but DOCKER-USER (29). */
  readonly bridgeAcceptFwmark?: FwMark | undefined;
}

/** What isolation has to know of a network: also a bridge of another driver can be one. */
export type IsolatedNetwork = Pick<NetworkSpec, 'bridge' | 'internal'>;

/** What one generation says; the same functions in every module, rules in programming order. */
export interface Generation {
  readonly name: GenerationName;
  baseRules(family: Family, settings: FirewallSettings): BaseRules;
  /** Also called for a family that the network does not have. */
  networkRules(network: NetworkSpec, family: Family, settings: FirewallSettings): PlacedRule[];
  endpointRules(network: NetworkSpec, endpoint: EndpointSpec, family: Family): PlacedRule[];
  /** None if the host's and the container's address are of different families: proxy only. */
  portRules(network: NetworkSpec, binding: PublishedRun, settings: FirewallSettings): PlacedRule[];
  /** What a published port comes to in mode `routed`, in generations that have it. */
  routedPortRules?(network: NetworkSpec, port: OpenRun): PlacedRule[];
  /**
   * Whether these are there from Join to Leave, also while another network is the container's gateway;
   * otherwise from ProgramExternalConnectivity to its Revoke.
   */
  readonly opensRoutedAtJoin?: true;
  /**
   * What isolates two networks from each other, where a network's own rules do not: to be added
   * after the rules of `network`, for every `other` that is there; removed with either of them.
   */
  pairRules?(network: IsolatedNetwork, other: IsolatedNetwork, family: Family): PlacedRule[];
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

/** Both: the second alone is left after `iptables -F FORWARD`. */
function forwardJumps(isolation: DockerChain): [Chain, string][] {
  return [
    ['FORWARD', '-j DOCKER-FORWARD'],
    ['DOCKER-FORWARD', `-j ${isolation}`],
  ];
}

/**
 * The generations whose jumps are there, oldest first. A newer engine takes the jumps of the older
 * ones away when it starts (docs/docker-bridge.md 1.4 and 1.8), an older one knows nothing of the
 * newer: so that of several the oldest is the one that started last.
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
 * @param before what {@link seenGenerations} was at the last look; undefined at the first
 * @param current what we write ourselves: its jumps can be there because of us
 */
export function engineGeneration(
  seen: readonly GenerationName[],
  before: readonly GenerationName[] | undefined,
  current: GenerationName,
): GenerationName | undefined {
  if (before === undefined) return seen[0];
  const started = seen.find((name) => !before.includes(name));
  // A newer engine has taken our jumps away, and its own were there from a former time.
  return started ?? (seen.includes(current) ? undefined : seen[0]);
}
