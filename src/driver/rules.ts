/** The rules of networks, endpoints and ports, of both families, as this host's engine has them. */
import type { Family } from '../core/address.js';
import type { EndpointSpec } from '../core/endpoint.js';
import type { FirewallSettings, Generation, GenerationName } from '../core/firewall/generation.js';
import type { PlacedRule } from '../core/firewall/rule.js';
import type { NetworkSpec } from '../core/network.js';
import type { PortBinding } from '../core/port.js';
import type { RuleCommits } from './commit.js';

export class HostRules {
  constructor(
    /** Only the families whose rules we write (`--iptables`, `--ip6tables`). */
    private readonly commits: ReadonlyMap<Family, RuleCommits>,
    private readonly generation: () => Generation,
    private readonly settings: FirewallSettings,
  ) {}

  /** The generation whose rules are written now: it also decides how errors are worded. */
  get generationName(): GenerationName {
    return this.generation().name;
  }

  ofNetwork(network: NetworkSpec): PlacedRule[] {
    return this.#families.flatMap((family) =>
      this.generation().networkRules(network, family, this.settings),
    );
  }

  ofEndpoint(network: NetworkSpec, endpoint: EndpointSpec): PlacedRule[] {
    return this.#families.flatMap((family) =>
      this.generation().endpointRules(network, endpoint, family, this.settings),
    );
  }

  ofBindings(network: NetworkSpec, bindings: readonly PortBinding[]): PlacedRule[] {
    const generation = this.generation();
    return bindings
      .flatMap((binding) => generation.portRules(network, binding, this.settings))
      .filter(({ rule }) => this.commits.has(rule.family));
  }

  /** Makes the rules be there, with the chains that they need; one commit a family. */
  async add(rules: readonly PlacedRule[]): Promise<void> {
    await this.#each((family, commits) => {
      const add = rules.filter(({ rule }) => rule.family === family);
      return commits.submit({ add, remove: [] });
    });
  }

  /** Makes the rules not be there; absent ones are no error. */
  async remove(rules: readonly PlacedRule[]): Promise<void> {
    await this.#each((family, commits) => {
      const remove = rules.map(({ rule }) => rule).filter((rule) => rule.family === family);
      return commits.submit({ add: [], remove });
    });
  }

  /** Nothing is forwarded that no rule accepts. */
  async dropForwarded(family: Family): Promise<void> {
    await this.commits.get(family)?.submit({ add: [], remove: [], dropForwarded: true });
  }

  get #families(): Family[] {
    return [...this.commits.keys()];
  }

  /** Both families at once; if one fails the other is still waited for, so that undo sees all. */
  async #each(work: (family: Family, commits: RuleCommits) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(
      [...this.commits].map(([family, commits]) => work(family, commits)),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}
