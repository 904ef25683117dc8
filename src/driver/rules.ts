/** The rules of networks, endpoints and ports, of both families, as this host's engine has them. */
import type { Family } from '../core/address.js';
import type { EndpointSpec } from '../core/endpoint.js';
import type { FirewallSettings, Generation, GenerationName } from '../core/firewall/generation.js';
import type { RuleIntent } from '../core/firewall/plan.js';
import type { PlacedRule } from '../core/firewall/rule.js';
import type { RuleChange } from '../core/firewall/rule-set.js';
import type { NetworkSpec } from '../core/network.js';
import type { PortBinding } from '../core/port.js';
import type { RuleCommits } from './commit.js';
import type { GenerationChoice } from './generation-choice.js';
import type { Log } from './host.js';
import type { Registry } from './registry.js';

export class HostRules {
  constructor(
    /** Only the families whose rules we write (`--iptables`, `--ip6tables`). */
    private readonly commits: ReadonlyMap<Family, RuleCommits>,
    private readonly choice: GenerationChoice,
    private readonly settings: FirewallSettings,
  ) {}

  /** The generation whose rules are written now: it also decides how errors are worded. */
  get generationName(): GenerationName {
    return this.choice.current.name;
  }

  ofNetwork(network: NetworkSpec, generation = this.choice.current): PlacedRule[] {
    return this.#families.flatMap((family) =>
      generation.networkRules(network, family, this.settings),
    );
  }

  ofEndpoint(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    generation = this.choice.current,
  ): PlacedRule[] {
    return this.#families.flatMap((family) =>
      generation.endpointRules(network, endpoint, family, this.settings),
    );
  }

  ofBindings(
    network: NetworkSpec,
    bindings: readonly PortBinding[],
    generation = this.choice.current,
  ): PlacedRule[] {
    return bindings
      .flatMap((binding) => generation.portRules(network, binding, this.settings))
      .filter(({ rule }) => this.#families.includes(rule.family));
  }

  /** Everything that the intent asks for, in the order in which it was asked for. */
  ofAll(registry: Registry, generation = this.choice.current): PlacedRule[] {
    const networks = registry.networks().filter(({ record }) => record.phase !== 'removing');
    const endpoints = registry
      .endpoints()
      .filter(({ record, network }) => ![record.phase, network.record.phase].includes('removing'));
    return [
      ...networks.flatMap(({ spec }) => this.ofNetwork(spec, generation)),
      ...endpoints.flatMap(({ spec, network, record }) => [
        ...this.ofEndpoint(network.spec, spec, generation),
        ...this.ofBindings(network.spec, record.bindings, generation),
      ]),
    ];
  }

  /** Makes the rules be there, with the chains that they need; one commit a family. */
  async add(rules: readonly PlacedRule[]): Promise<void> {
    await this.#each((family, commits) => commits.submit(only(family, rules, [])));
  }

  /** Makes the rules not be there; absent ones are no error. */
  async remove(rules: readonly PlacedRule[]): Promise<void> {
    await this.#each((family, commits) => commits.submit(only(family, [], rules)));
  }

  /**
   * Looks at what is there, and makes it what the intent says; one commit a family. If the engine
   * turns out to write another generation of rules than we did, ours move over. Resolves with what
   * had to be changed.
   */
  async repair(registry: Registry, log: Log): Promise<RuleChange[]> {
    let former: Generation | undefined;
    const changes: RuleChange[] = [];
    for (const [family, commits] of this.commits) {
      const repaired = await commits.repair((found) => {
        const left = this.choice.observe(family, found);
        if (left !== undefined) {
          former = left;
          log.info(
            { from: left.name, to: this.choice.current.name },
            'the engine writes another generation of rules; ours move over',
          );
        }
        const wanted = this.ofAll(registry);
        const unwanted = former === undefined ? [] : without(this.ofAll(registry, former), wanted);
        return only(family, wanted, unwanted);
      });
      changes.push(...repaired);
    }
    return changes;
  }

  /** Nothing is forwarded that no rule accepts. */
  async dropForwarded(family: Family): Promise<void> {
    await this.commits.get(family)?.submit({ add: [], remove: [], dropForwarded: true });
  }

  get #families(): Family[] {
    return [...this.commits.keys()].filter((family) => this.choice.writes(family));
  }

  /** Both families at once; if one fails the other is still waited for, so that undo sees all. */
  async #each(
    work: (family: Family, commits: RuleCommits) => Promise<RuleChange[]>,
  ): Promise<RuleChange[]> {
    const results = await Promise.allSettled(
      [...this.commits].map(([family, commits]) => work(family, commits)),
    );
    return results.flatMap((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }
}

function without(rules: readonly PlacedRule[], others: readonly PlacedRule[]): PlacedRule[] {
  const id = ({ rule }: PlacedRule): string =>
    `${rule.family} ${rule.table} ${rule.chain} ${rule.text}`;
  const known = new Set(others.map(id));
  return rules.filter((rule) => !known.has(id(rule)));
}

function only(
  family: Family,
  add: readonly PlacedRule[],
  remove: readonly PlacedRule[],
): RuleIntent {
  return {
    add: add.filter(({ rule }) => rule.family === family),
    remove: remove.map(({ rule }) => rule).filter((rule) => rule.family === family),
  };
}
