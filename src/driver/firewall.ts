/**
 * What the use cases ask of the host's firewall: that the rules of a network, an endpoint or its
 * published ports are there, or are not. How they are written is the implementation's business;
 * `rules/iptables-firewall.ts` writes the chains of Docker's engines.
 */
import type { Family } from '../core/address.js';
import type { GenerationName } from '../core/generations/generation.js';
import type { EndpointSpec } from '../core/network/endpoint.js';
import type { NetworkSpec } from '../core/network/network.js';
import type { MapChange } from '../core/port-map/plan.js';
import type { OpenPort, PortBinding } from '../core/ports/port.js';
import type { PortGroup } from '../core/ports/requests.js';
import type { Table } from '../core/rules/rule.js';
import type { RuleChange } from '../core/rules/rule-set.js';
import type { RuleSettings } from './state/records.js';

/** What of an endpoint's ports the rules are about. */
export interface PublishedPorts {
  readonly bindings: readonly PortBinding[];
  readonly opened: readonly OpenPort[];
  /** What operators have published: each by itself, so that no rule for a range is about two of them. */
  readonly added?: readonly Pick<PublishedPorts, 'bindings'>[];
}

/**
 * What a repair may do.
 * `everything`: all changes that are needed; `no-new-chains`: nothing at all if a chain would have to be
 * made, since an engine that is starting may be about to make it; `nothing`: only answer with the changes.
 */
export type RepairScope = 'everything' | 'no-new-chains' | 'nothing';

export interface RepairOutcome {
  /** What was changed, or would have been, without what calls under way are about to do. */
  readonly changes: readonly RuleChange[];
  /** true: the scope did not allow the changes, and nothing was changed. */
  readonly refused: boolean;
}

/** How many rules of one table should be there. */
export interface DesiredCount {
  readonly family: Family;
  readonly table: Table;
  readonly count: number;
}

export interface MapRepair {
  /** What was done, or would have been, a line each; without what calls under way are about to do. */
  readonly lines: readonly string[];
  readonly change?: MapChange;
}

/**
 * What a repair of the table of mapped ports may write.
 * `everything`: the rules that guard ports (`tsbridge.publish_from`) are there.
 * `unguarded`: these rules may be missing, so no element of a guarded port is added.
 * `nothing`: the repair only answers with what it would do.
 */
export type MapScope = 'everything' | 'unguarded' | 'nothing';

/** The ports of networks with `tsbridge.port_rules=map`, beside the rules. */
export interface MappedPorts {
  /** Makes the table of the family what it should be, as far as `scope` allows it. */
  repair(family: Family, scope: MapScope): Promise<MapRepair>;
}

export interface Firewall {
  /** The generation whose rules are written now: it also decides how errors are worded. */
  readonly generationName: GenerationName;
  /** The generation on record: a guess that counts until an engine's chains are seen on the host. */
  expectGeneration(name: GenerationName): void;
  /** The settings with which the rules of the network are written now. */
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
  /** Makes the rules without committing them, so that {@link addPorts} of the same ports is faster. */
  preparePorts(network: NetworkSpec, endpoint: EndpointSpec, ports: PublishedPorts): Promise<void>;
  addPorts(network: NetworkSpec, endpoint: EndpointSpec, ports: PublishedPorts): Promise<void>;
  /**
   * Adds the rules that keep others than those of `tsbridge.publish_from` from host ports. Called before the ports'
   * sockets are opened; {@link addPorts} of the same ports adds these rules, too, where they are missing.
   */
  guardPorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    bindings: readonly PortBinding[],
  ): Promise<void>;
  /**
   * Removes the rules of {@link guardPorts} from ports whose sockets could not be opened, and leaves those of the kept
   * ports.
   *
   * @param tried what each call of {@link guardPorts} was for
   */
  unguardPorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    tried: readonly (readonly PortBinding[])[],
    kept: PublishedPorts,
  ): Promise<void>;
  /** Why rules of a family cannot hold anything back (no table, `--ip6tables=false`); undefined: they can. */
  whyUnguarded(family: Family): string | undefined;
  /** @param kept what of the endpoint stays: the rules that it needs as well are not removed */
  removePorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    ports: PublishedPorts,
    kept?: PublishedPorts,
  ): Promise<void>;
  /**
   * Whether a rule of the engine's own driver leads the host port to a container. Reads the host's rules,
   * which takes time: to be asked only after a port could not be bound.
   */
  translates(binding: PortBinding): Promise<boolean>;
  /** Sets the policy of FORWARD to DROP: what no rule accepts is not forwarded. */
  dropForwarded(family: Family): Promise<void>;

  /** How many rules should be there, by family and table, with those that all networks share. Yields meanwhile. */
  countDesired(): Promise<readonly DesiredCount[]>;

  /** An engine has started, and may use another iptables than before: it is found out again, soon. */
  engineStarted(): void;
  /** Begins to read the host's rules, for the next call that needs them. */
  readAhead(): void;
  /**
   * Reads what is there, and makes it what it should be. If the engine turns out to write another
   * generation of rules than we did, ours move over.
   *
   * @param families to repair; the other one is read only if the generation has changed
   */
  repair(scope: RepairScope, families?: readonly Family[]): Promise<RepairOutcome>;
  /** The listener is told when the host refuses a change that fits what was known of it. */
  onRefusal(listener: () => void): void;
}
