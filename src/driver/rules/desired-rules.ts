/**
 * Networks, endpoints and ports → the rules that should be there, as this host's engine writes
 * them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Family } from '../../core/address.js';
import { generations } from '../../core/generations/all.js';
import { forwardedBridges } from '../../core/generations/forwarded-bridges.js';
import type { FirewallSettings, IsolatedNetwork } from '../../core/generations/generation.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import { familyIn, type NetworkSpec } from '../../core/network/network.js';
import type { BaseRules } from '../../core/rules/plan.js';
import type { PlacedRule } from '../../core/rules/rule.js';
import type { RuleSet } from '../../core/rules/rule-set.js';
import type { OwnThings } from '../../core/rules/stale.js';
import { Yielding } from '../../yielding.js';
import type { PublishedPorts } from '../firewall.js';
import type { RuleSettings } from '../state/records.js';
import { portsToWrite, type Registry } from '../state/registry.js';
import type { GenerationChoice } from './generation-choice.js';
import { makePortRules, PortRules, type Writer } from './port-rules.js';

export class DesiredRules {
  readonly #ports = new PortRules();

  constructor(
    private readonly choice: GenerationChoice,
    private readonly settings: FirewallSettings,
    private readonly registry: Registry,
  ) {}

  /** The chains and rules that all networks share. */
  base(family: Family): BaseRules {
    return this.choice.current.baseRules(family, this.settings);
  }

  /** Of both families. */
  ofEndpoint(network: NetworkSpec, endpoint: EndpointSpec): PlacedRule[] {
    const { current } = this.choice;
    return ([4, 6] as const)
      .filter((family) => this.#writes(network, family))
      .flatMap((family) => current.endpointRules(network, endpoint, family));
  }

  /** Of both families; made in yields, and kept until {@link forgetPorts}. */
  async ofPorts(
    network: NetworkSpec,
    endpoint: Pick<EndpointSpec, 'id'>,
    ports: PublishedPorts,
    yielding?: Yielding,
  ): Promise<PlacedRule[]> {
    const rules = await this.#ports.of(network, endpoint, ports, this.#writer(network), yielding);
    return rules.filter(({ rule }) => this.#writes(network, rule.family));
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

  ofNetwork(network: NetworkSpec, family: Family, observed: RuleSet): PlacedRule[] {
    if (!this.#writes(network, family)) return [];
    return this.#networkRules(network, family, observed, this.#writer(network));
  }

  #networkRules(
    network: NetworkSpec,
    family: Family,
    observed: RuleSet,
    { generation, settings }: Writer,
  ): PlacedRule[] {
    const own = generation.networkRules(network, family, settings);
    if (generation.pairRules === undefined) return own;
    const others = new Map<string, IsolatedNetwork>();
    for (const bridge of forwardedBridges(observed))
      others.set(bridge, { bridge, internal: false });
    for (const spec of this.networks) others.set(spec.bridge, spec);
    others.delete(network.bridge);
    const pairs = [...others.values()].flatMap(
      (other) => generation.pairRules?.(network, other, family) ?? [],
    );
    return [...own, ...pairs];
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
    for (const spec of this.networks) await add(this.ofNetwork(spec, family, observed));
    for (const state of this.registry.endpoints()) {
      const { spec, network } = state;
      if ([state.record.phase, network.record.phase].includes('removing')) continue;
      await add(this.ofEndpoint(network.spec, spec));
      await add(await this.ofPorts(network.spec, spec, portsToWrite(state), yielding));
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
    return this.#networkRules(former.network, family, observed, former.writer);
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
    return makePortRules(former.network, ports, former.writer, yielding);
  }

  /** undefined: the rule settings have not changed since the network's rules were written. */
  #formerOf(spec: NetworkSpec): { network: NetworkSpec; writer: Writer } | undefined {
    const settings = this.registry.network(spec.id)?.record.ruleSettings;
    if (settings === undefined || isDeepStrictEqual(settings, this.ruleSettingsOf(spec))) return;
    const { generation: name, userlandProxy, loopbackSpared, ...more } = settings;
    const writer = { generation: generations[name], settings: { userlandProxy, loopbackSpared } };
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
      if (record.phase === 'ready' && publishing !== 'rules') continue;
      rules.push(...this.ofEndpoint(network.spec, spec));
      rules.push(...(await this.ofPorts(network.spec, spec, record)));
    }
    return rules;
  }

  /**
   * The bridges, subnets and ports by which a rule is known to be ours. undefined while a network's record
   * cannot be read, since that network's rules could be taken for stale ones. A network that is being removed
   * has no subnet any more: its removal can take long, and the subnet be given out meanwhile.
   */
  ownThings(family: Family): OwnThings | undefined {
    if (this.registry.unreadable.all().length > 0) return undefined;
    const networks = this.registry.networks();
    const bridgesOf = (made: boolean): ReadonlySet<string> =>
      new Set(
        networks.flatMap(({ spec, record }) => (record.bridgeMade === made ? spec.bridge : [])),
      );
    return {
      bridges: bridgesOf(true),
      sharedBridges: bridgesOf(false),
      subnets: this.networks.flatMap((spec) => familyIn(spec, family)?.subnet ?? []),
      bindings: this.registry.endpoints().flatMap((state) => portsToWrite(state).bindings),
    };
  }

  /** All networks but those that are being removed. */
  get networks(): NetworkSpec[] {
    return this.registry
      .networks()
      .filter(({ record }) => record.phase !== 'removing')
      .map(({ spec }) => spec);
  }

  #writer({ userlandProxy }: NetworkSpec): Writer {
    const settings = { userlandProxy, loopbackSpared: this.settings.userlandProxy };
    return { generation: this.choice.current, settings };
  }

  #writes(network: NetworkSpec, family: Family): boolean {
    return this.choice.writes(family) && network.ruleFamilies.includes(family);
  }
}
