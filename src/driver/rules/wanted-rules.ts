/** Intent → the rules that should be there, as this host's engine writes them. */
import { isDeepStrictEqual } from 'node:util';
import type { Family } from '../../core/address.js';
import { generations } from '../../core/generations/all.js';
import { forwardedBridges } from '../../core/generations/forwarded-bridges.js';
import type {
  FirewallSettings,
  Generation,
  IsolatedNetwork,
} from '../../core/generations/generation.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import type { NetworkSpec } from '../../core/network/network.js';
import type { OpenPort, PortBinding } from '../../core/ports/port.js';
import { joinBindings, joinOpened } from '../../core/ports/runs.js';
import type { PlacedRule } from '../../core/rules/rule.js';
import type { RuleSet } from '../../core/rules/rule-set.js';
import { Pieces } from '../../pieces.js';
import type { RuleTerms } from '../state/records.js';
import type { Registry } from '../state/registry.js';
import type { GenerationChoice } from './generation-choice.js';

/** What of an endpoint's ports the rules are about. */
export interface PublishedPorts {
  readonly bindings: readonly PortBinding[];
  readonly opened: readonly OpenPort[];
}

/** Who writes, and how it was told to. */
interface Terms {
  readonly generation: Generation;
  readonly settings: FirewallSettings;
}

/** Rules of ports as they were made last, and of what. */
interface MadeRules extends Pick<PublishedPorts, 'opened'> {
  readonly network: NetworkSpec;
  readonly generation: Generation;
  readonly rules: readonly PlacedRule[];
}

export class WantedRules {
  /** 15,000 rules take 70 ms to be made, which each look at all of them would wait for. */
  readonly #ofPorts = new WeakMap<PublishedPorts['bindings'], MadeRules>();

  constructor(
    /** Its keys: those whose rules we can write. */
    private readonly commits: ReadonlyMap<Family, unknown>,
    private readonly choice: GenerationChoice,
    private readonly settings: FirewallSettings,
    private readonly registry: Registry,
  ) {}

  ofEndpoint(network: NetworkSpec, endpoint: EndpointSpec): PlacedRule[] {
    const { current } = this.choice;
    return [...this.commits.keys()]
      .filter((family) => this.#writes(network, family))
      .flatMap((family) => current.endpointRules(network, endpoint, family));
  }

  ofPorts(network: NetworkSpec, ports: PublishedPorts): PlacedRule[] {
    const written = [...this.commits.keys()].filter((family) => this.#writes(network, family));
    return this.#rulesOfPorts(network, ports).filter(({ rule }) => written.includes(rule.family));
  }

  #rulesOfPorts(network: NetworkSpec, { bindings, opened }: PublishedPorts): readonly PlacedRule[] {
    const made = this.#madeOf(network, { bindings, opened });
    if (made !== undefined) return made;
    const terms = this.#terms(network);
    const rules = [...portRules(network, { bindings, opened }, terms)].flat();
    this.#ofPorts.set(bindings, { network, generation: terms.generation, opened, rules });
    return rules;
  }

  #madeOf(
    network: NetworkSpec,
    { bindings, opened }: PublishedPorts,
  ): readonly PlacedRule[] | undefined {
    const made = this.#ofPorts.get(bindings);
    const { current } = this.choice;
    const fits = made?.network === network && made.generation === current && made.opened === opened;
    return fits ? made.rules : undefined;
  }

  /** Makes the rules of an endpoint's ports, in pieces: whoever asks for them then finds them made. */
  async makeAhead(
    network: NetworkSpec,
    { bindings, opened }: PublishedPorts,
    pieces = new Pieces(),
  ): Promise<void> {
    if (this.#madeOf(network, { bindings, opened }) !== undefined) return;
    const terms = this.#terms(network);
    const rules: PlacedRule[] = [];
    for (const some of portRules(network, { bindings, opened }, terms)) {
      rules.push(...some);
      await pieces.pause();
    }
    this.#ofPorts.set(bindings, { network, generation: terms.generation, opened, rules });
  }

  /** {@link makeAhead} for all endpoints. */
  async makeAllAhead(): Promise<void> {
    const pieces = new Pieces();
    for (const { network, record } of this.registry.endpoints()) {
      await this.makeAhead(network.spec, record, pieces);
      await pieces.pause();
    }
  }

  ofNetwork(network: NetworkSpec, family: Family, found: RuleSet): PlacedRule[] {
    if (!this.#writes(network, family)) return [];
    return this.#networkRules(network, family, found, this.#terms(network));
  }

  #networkRules(
    network: NetworkSpec,
    family: Family,
    found: RuleSet,
    { generation, settings }: Terms,
  ): PlacedRule[] {
    const own = generation.networkRules(network, family, settings);
    if (generation.pairRules === undefined) return own;
    const others = new Map<string, IsolatedNetwork>();
    for (const bridge of forwardedBridges(found)) others.set(bridge, { bridge, internal: false });
    for (const spec of this.networks) others.set(spec.bridge, spec);
    others.delete(network.bridge);
    const pairs = [...others.values()].flatMap(
      (other) => generation.pairRules?.(network, other, family) ?? [],
    );
    return [...own, ...pairs];
  }

  /**
   * Everything that the intent asks for, in the order in which it was asked for. What a call changes
   * meanwhile is in its own commit, which comes after the one that this is for.
   */
  async ofAll(family: Family, found: RuleSet, pieces: Pieces): Promise<PlacedRule[]> {
    if (!this.choice.writes(family)) return [];
    const rules: PlacedRule[] = [];
    const add = async (some: readonly PlacedRule[]): Promise<void> => {
      for (const each of some) if (each.rule.family === family) rules.push(each);
      await pieces.pause();
    };
    for (const spec of this.networks) await add(this.ofNetwork(spec, family, found));
    for (const { spec, network, record, publishing } of this.registry.endpoints()) {
      if ([record.phase, network.record.phase].includes('removing')) continue;
      await add(this.ofEndpoint(network.spec, spec));
      // A port that turns out to be another program's must not get a rule.
      if (publishing !== 'sockets') await add(this.ofPorts(network.spec, record));
    }
    return rules;
  }

  /** In which words the rules of the network are written now. */
  termsOf({ userlandProxy, masquerade, allowDirectRouting }: NetworkSpec): RuleTerms {
    const generation = this.choice.current.name;
    const loopbackSpared = this.settings.userlandProxy;
    return { generation, userlandProxy, loopbackSpared, masquerade, allowDirectRouting };
  }

  /** Of networks whose rules are on the host in other words than they are written now. */
  ofFormerTerms(family: Family, found: RuleSet): PlacedRule[] {
    return this.registry
      .networks()
      .filter(({ spec, record }) => !isDeepStrictEqual(record.terms, this.termsOf(spec)))
      .flatMap(({ spec, record, endpoints }) => {
        const { generation: name, userlandProxy, loopbackSpared, ...more } = record.terms;
        const generation = generations[name];
        const settings = { userlandProxy, loopbackSpared };
        const network = { ...spec, ...more };
        return [
          ...this.#networkRules(network, family, found, { generation, settings }),
          ...[...endpoints.values()].flatMap((endpoint) => [
            ...generation.endpointRules(network, endpoint.spec, family),
            ...[...portRules(network, endpoint.record, { generation, settings })].flat(),
          ]),
        ];
      });
  }

  /** What calls are about to commit: a repair that comes before them does it as well. */
  ofCallsUnderway(family: Family, found: RuleSet): PlacedRule[] {
    const networks = this.registry
      .networks()
      .filter(({ record }) => record.phase === 'creating')
      .map(({ spec }) => this.ofNetwork(spec, family, found));
    const endpoints = this.registry
      .endpoints()
      .filter(({ record, publishing }) => record.phase === 'creating' || publishing === 'rules')
      .map(({ spec, network, record }) => [
        ...this.ofEndpoint(network.spec, spec),
        ...this.ofPorts(network.spec, record),
      ]);
    return [...networks, ...endpoints].flat();
  }

  /** All but those on their way out. */
  get networks(): NetworkSpec[] {
    return this.registry
      .networks()
      .filter(({ record }) => record.phase !== 'removing')
      .map(({ spec }) => spec);
  }

  #terms({ userlandProxy }: NetworkSpec): Terms {
    const settings = { userlandProxy, loopbackSpared: this.settings.userlandProxy };
    return { generation: this.choice.current, settings };
  }

  #writes(network: NetworkSpec, family: Family): boolean {
    return this.choice.writes(family) && network.ruleFamilies.includes(family);
  }
}

/** Port by port. */
function* portRules(
  network: NetworkSpec,
  { bindings, opened }: PublishedPorts,
  { generation, settings }: Terms,
): Generator<readonly PlacedRule[]> {
  for (const ports of joinBindings(bindings, network.portRules)) {
    yield generation.portRules(network, ports, settings);
  }
  for (const ports of joinOpened(opened, network.portRules)) {
    yield generation.routedPortRules?.(network, ports) ?? [];
  }
}
