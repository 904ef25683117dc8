/**
 * What the use cases ask of the host's firewall: that the rules of a network, an endpoint or its
 * published ports are there, or are not. How they are written is the implementation's business;
 * `rules/iptables-firewall.ts` writes the chains of Docker's engines.
 */
import type { Family } from '../core/address.js';
import type { GenerationName } from '../core/generations/generation.js';
import type { EndpointSpec } from '../core/network/endpoint.js';
import type { NetworkSpec } from '../core/network/network.js';
import type { OpenPort, PortBinding } from '../core/ports/port.js';
import type { PortGroup } from '../core/ports/requests.js';
import type { RuleChange } from '../core/rules/rule-set.js';
import type { RuleSettings } from './state/records.js';

/** What of an endpoint's ports the rules are about. */
export interface PublishedPorts {
  readonly bindings: readonly PortBinding[];
  readonly opened: readonly OpenPort[];
}

/**
 * What a repair may do.
 * `everything`: whatever is needed; `no-new-chains`: nothing at all if a chain would have to be made,
 * because an engine that is starting may be about to make it; `nothing`: only tell.
 */
export type RepairScope = 'everything' | 'no-new-chains' | 'nothing';

export interface RepairOutcome {
  /** What was changed, or would have been, apart from what calls under way are about to do. */
  readonly changes: readonly RuleChange[];
  /** The scope did not allow it: nothing was changed. */
  readonly refused: boolean;
}

export interface Firewall {
  /** The generation whose rules are written now: it also decides how errors are worded. */
  readonly generationName: GenerationName;
  /** What the records say of the host's engine; what is seen on the host counts more. */
  expectGeneration(name: GenerationName): void;
  /** With which settings the rules of the network are written now. */
  ruleSettingsOf(network: NetworkSpec): RuleSettings;
  /** The order in which an endpoint's ports are bound and programmed. */
  orderBindings(groups: readonly PortGroup[]): PortGroup[];
  /** Whether ports in mode `routed` are open from Join to Leave, whatever the container's gateway. */
  readonly opensRoutedAtJoin: boolean;
  /** What cannot be written or seen on this host, in words. */
  problems(): string[];

  addNetwork(network: NetworkSpec): Promise<void>;
  /** Absent rules are no error; that holds for every removal. */
  removeNetwork(network: NetworkSpec): Promise<void>;
  addEndpoint(network: NetworkSpec, endpoint: EndpointSpec): Promise<void>;
  removeEndpoint(network: NetworkSpec, endpoint: EndpointSpec): Promise<void>;
  /** Makes the rules out, so that {@link addPorts} of the same ports only has to commit them. */
  preparePorts(network: NetworkSpec, endpoint: EndpointSpec, ports: PublishedPorts): Promise<void>;
  addPorts(network: NetworkSpec, endpoint: EndpointSpec, ports: PublishedPorts): Promise<void>;
  removePorts(network: NetworkSpec, endpoint: EndpointSpec, ports: PublishedPorts): Promise<void>;
  /**
   * Whether a container has the host port already by a rule of the engine's own driver, as the host has them
   * now. Takes a reading of the rules: only for a port that cannot be had.
   */
  translates(binding: PortBinding): Promise<boolean>;
  /** Nothing is forwarded that no rule accepts. */
  dropForwarded(family: Family): Promise<void>;

  /** An engine has started: what it uses to write its rules may have changed, and is looked at soon. */
  engineStarted(): void;
  /** Begins to read the host's rules, for the next call that needs them. */
  readAhead(): void;
  /**
   * Reads what is there, and makes it what it should be. If the engine turns out to write another
   * generation of rules than we did, ours move over.
   *
   * @param families the others are looked at only if the generation has changed
   */
  repair(scope: RepairScope, families?: readonly Family[]): Promise<RepairOutcome>;
  /** The listener is told when the host refuses a change that fits what was known of it. */
  onRefusal(listener: () => void): void;
}
