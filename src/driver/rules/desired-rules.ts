/**
 * Networks, endpoints and ports → the rules that should be there, as this host's engine writes
 * them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Family } from '../../core/address.js';
import { generations } from '../../core/generations/all.js';
import { foreseenPorts } from '../../core/generations/foreseen.js';
import type { FirewallSettings } from '../../core/generations/generation.js';
import { acceptGroups } from '../../core/generations/own-options/accept-from.js';
import {
  allApart,
  apartAfter,
  apartWith,
  type HostNetworks,
  pairRules,
} from '../../core/generations/own-options/between-networks.js';
import { generationFor } from '../../core/generations/own-options/lan.js';
import {
  endpointPassageRules,
  networkPassageRules,
  type Passing,
} from '../../core/generations/own-options/passage.js';
import { passageGroups } from '../../core/generations/own-options/passage-chains.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import type { NetworkSpec } from '../../core/network/network.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { BaseRules } from '../../core/rules/plan.js';
import type { PlacedRule, Rule } from '../../core/rules/rule.js';
import type { RuleSet } from '../../core/rules/rule-set.js';
import type { OwnThings } from '../../core/rules/stale.js';
import { Yielding } from '../../yielding.js';
import type { PublishedPorts } from '../firewall.js';
import type { RuleSettings } from '../state/records.js';
import { portsToWrite, type Registry } from '../state/registry.js';
import type { GenerationChoice } from './generation-choice.js';
import { ownThings } from './own-things.js';
import { makeGuards, makePortRules, PortRules, portLists, type Writer } from './port-rules.js';

export class DesiredRules {
  readonly #ports = new PortRules();

  constructor(
    private readonly choice: GenerationChoice,
    private readonly settings: FirewallSettings,
    private readonly registry: Registry,
  ) {}

  /** Whether rules of the family are written at all. */
  writes(family: Family): boolean {
    return this.choice.writes(family);
  }

  /** The chains and rules that all networks share. */
  base(family: Family): BaseRules {
    return this.choice.current.baseRules(family, this.settings);
  }

  /** Chains that are there only while something is in them, with the rules that lead there. */
  groups(family: Family): readonly BaseRules[] {
    return this.choice.writes(family) ? [...acceptGroups(family), ...passageGroups(family)] : [];
  }

  /** The rules of an endpoint without its ports, of both families. */
  ofEndpoint(network: NetworkSpec, endpoint: EndpointSpec): PlacedRule[] {
    const { generation } = this.#writer(network);
    return ([4, 6] as const)
      .filter((family) => this.#writes(network, family))
      .flatMap((family) => [
        ...generation.endpointRules(network, endpoint, family),
        ...endpointPassageRules(network, endpoint, family),
      ]);
  }

  /** The rules of published ports, of both families; made in yields, and kept until {@link forgetPorts}. */
  async ofPorts(
    network: NetworkSpec,
    endpoint: Pick<EndpointSpec, 'id'> & Passing,
    ports: PublishedPorts,
    yielding?: Yielding,
  ): Promise<PlacedRule[]> {
    const rules = await this.#ports.of(network, endpoint, ports, this.#writer(network), yielding);
    return rules.filter(({ rule }) => this.#writes(network, rule.family));
  }

  /** Those rules of {@link ofPorts} that keep others than `tsbridge.publish_from` allows from host ports. */
  guardsOf(
    network: NetworkSpec,
    endpoint: Passing,
    bindings: readonly PortBinding[],
  ): PlacedRule[] {
    return makeGuards(network, endpoint, bindings).filter(({ rule }) =>
      this.#writes(network, rule.family),
    );
  }

  /**
   * Makes the rules of all endpoints' ports, so that a repair has them at once and no call waits for it.
   */
  async preparePorts(): Promise<void> {
    this.#ports.prune((id) => this.registry.endpoint(id) !== undefined);
    const yielding = new Yielding();
    for (const { network, spec, record } of this.registry.endpoints()) {
      await this.ofPorts(network.spec, spec, record, yielding);
      await yielding.pause();
    }
  }

  forgetPorts(endpoint: Pick<EndpointSpec, 'id'>): void {
    this.#ports.forget(endpoint);
  }

  /** The network's own rules, and those that come with it into chain TSBRIDGE-ACCEPT, which networks share. */
  ofNetwork(network: NetworkSpec, family: Family, observed: RuleSet): PlacedRule[] {
    if (!this.choice.writes(family)) return [];
    return [
      ...this.#ofNetwork(network, family, observed),
      ...apartWith(this.#host(observed), network, family),
    ];
  }

  /** What is removed with a network: its own rules, also as they were written by former settings, without those in shared chains that other networks need. */
  ofRemoved(network: NetworkSpec, family: Family, observed: RuleSet): PlacedRule[] {
    const former = this.formerOfNetwork(network, family, observed);
    if (!this.choice.writes(family)) return former;
    const apart = apartAfter(this.#host(observed), network, family);
    return [...this.#ofNetwork(network, family, observed), ...apart, ...former];
  }

  #ofNetwork(network: NetworkSpec, family: Family, observed: RuleSet): PlacedRule[] {
    if (!this.#writes(network, family)) return [];
    return [
      ...this.#dockerRules(network, family, observed, this.#writer(network)),
      ...networkPassageRules(network, family),
    ];
  }

  #dockerRules(
    network: NetworkSpec,
    family: Family,
    observed: RuleSet,
    { generation, settings }: Writer,
  ): PlacedRule[] {
    const host = { generation, networks: this.networks, observed };
    return [
      ...generation.networkRules(network, family, settings),
      ...pairRules(host, network, family),
    ];
  }

  #host(observed: RuleSet): HostNetworks {
    return { generation: this.choice.current, networks: this.networks, observed };
  }

  /** Rules of the kinds that the network's next published ports will have. */
  foreseen(network: NetworkSpec): Rule[] {
    const families = ([4, 6] as const).filter((family) => this.#writes(network, family));
    return foreseenPorts(network, this.#writer(network), families);
  }

  /**
   * Everything that should be there, in the order in which networks and endpoints were made. What a call
   * changes while this is made comes with the call's own commit, after the one that this is for.
   */
  async ofAll(family: Family, observed: RuleSet, yielding: Yielding): Promise<PlacedRule[]> {
    if (!this.choice.writes(family)) return [];
    const rules: PlacedRule[] = [];
    const add = async (some: readonly PlacedRule[]): Promise<void> => {
      for (const each of some) if (each.rule.family === family) rules.push(each);
      await yielding.pause();
    };
    for (const spec of this.networks) await add(this.#ofNetwork(spec, family, observed));
    await add(allApart(this.#host(observed), family));
    for (const state of this.registry.endpoints()) {
      const { spec, network } = state;
      if ([state.record.phase, network.record.phase].includes('removing')) continue;
      await add(this.ofEndpoint(network.spec, spec));
      await add(await this.ofPorts(network.spec, spec, portsToWrite(state), yielding));
      // Sockets that are being opened are guarded before they have their other rules.
      if (state.publishing?.stage === 'sockets') {
        for (const some of portLists(state.record)) {
          await add(this.guardsOf(network.spec, spec, some));
        }
      }
    }
    return rules;
  }

  /** The rule settings with which the network's rules are written now. */
  ruleSettingsOf({ userlandProxy, masquerade, allowDirectRouting }: NetworkSpec): RuleSettings {
    const generation = this.choice.current.name;
    const loopbackSpared = this.settings.userlandProxy;
    return { generation, userlandProxy, loopbackSpared, masquerade, allowDirectRouting };
  }

  /** The rules, as they are on the host, of networks whose rule settings have changed since they were written. */
  async ofFormerSettings(
    family: Family,
    observed: RuleSet,
    yielding: Yielding,
  ): Promise<PlacedRule[]> {
    const rules: PlacedRule[] = [];
    for (const { spec, endpoints } of this.registry.networks()) {
      rules.push(...this.formerOfNetwork(spec, family, observed));
      for (const endpoint of endpoints.values()) {
        rules.push(...this.formerOfEndpoint(spec, endpoint.spec));
        rules.push(...(await this.formerOfPorts(spec, endpoint.record, yielding)));
      }
    }
    return rules;
  }

  /**
   * The rules of one network as they are on the host, if its rule settings have changed since they were
   * written. A call that removes the network has to remove these itself, since the repair that would replace
   * them no longer has the network among what is desired.
   */
  formerOfNetwork(spec: NetworkSpec, family: Family, observed: RuleSet): PlacedRule[] {
    const former = this.#formerOf(spec);
    if (former === undefined) return [];
    return this.#dockerRules(former.network, family, observed, former.writer);
  }

  /** As {@link formerOfNetwork}, for an endpoint, in both families. */
  formerOfEndpoint(spec: NetworkSpec, endpoint: EndpointSpec): PlacedRule[] {
    const former = this.#formerOf(spec);
    if (former === undefined) return [];
    const { network, writer } = former;
    return ([4, 6] as const).flatMap((family) =>
      writer.generation.endpointRules(network, endpoint, family),
    );
  }

  /** As {@link formerOfNetwork}, for published ports, in both families. */
  async formerOfPorts(
    spec: NetworkSpec,
    ports: PublishedPorts,
    yielding = new Yielding(),
  ): Promise<PlacedRule[]> {
    const former = this.#formerOf(spec);
    if (former === undefined) return [];
    // The passage does not change with settings, so that its rules are among those of the present.
    return makePortRules(former.network, {}, ports, former.writer, yielding);
  }

  /** undefined: the rule settings have not changed since the network's rules were written. */
  #formerOf(spec: NetworkSpec): { network: NetworkSpec; writer: Writer } | undefined {
    const settings = this.registry.network(spec.id)?.record.ruleSettings;
    if (settings === undefined || isDeepStrictEqual(settings, this.ruleSettingsOf(spec))) return;
    const { generation: name, userlandProxy, loopbackSpared, ...more } = settings;
    const generation = generationFor(generations[name], spec);
    const writer = { generation, settings: { userlandProxy, loopbackSpared } };
    return { network: { ...spec, ...more }, writer };
  }

  /**
   * Rules that calls under way will add or remove: a repair that commits before them changes them as well.
   */
  async ofCallsUnderway(family: Family, observed: RuleSet): Promise<PlacedRule[]> {
    const rules = this.registry
      .networks()
      .filter(({ record }) => record.phase !== 'ready')
      .flatMap(({ spec }) => this.ofNetwork(spec, family, observed));
    for (const { record, publishing, spec, network } of this.registry.endpoints()) {
      if (record.phase === 'ready' && publishing?.stage !== 'rules') continue;
      rules.push(...this.ofEndpoint(network.spec, spec));
      rules.push(...(await this.ofPorts(network.spec, spec, record)));
    }
    return rules;
  }

  /** Bridges, subnets and ports of all networks, by which a rule is known to be ours. */
  ownThings(family: Family): OwnThings | undefined {
    return ownThings(this.registry, this.networks, family);
  }

  /** All networks but those that are being removed. */
  get networks(): NetworkSpec[] {
    return this.registry
      .networks()
      .filter(({ record }) => record.phase !== 'removing')
      .map(({ spec }) => spec);
  }

  #writer(network: NetworkSpec): Writer {
    const { userlandProxy } = network;
    const settings = { userlandProxy, loopbackSpared: this.settings.userlandProxy };
    return { generation: generationFor(this.choice.current, network), settings };
  }

  #writes(network: NetworkSpec, family: Family): boolean {
    return this.choice.writes(family) && network.ruleFamilies.includes(family);
  }
}
