/** The rules of networks, endpoints and ports, of both families, as this host's engine has them. */
import type { Family } from '../core/address.js';
import type { EndpointSpec } from '../core/endpoint.js';
import { disorderedRules, repeatedRules } from '../core/firewall/disorder.js';
import { forwardedBridges } from '../core/firewall/forwarded-bridges.js';
import type {
  FirewallSettings,
  Generation,
  GenerationName,
  IsolatedNetwork,
} from '../core/firewall/generation.js';
import type { AddedRule } from '../core/firewall/handles.js';
import type { RuleIntent } from '../core/firewall/plan.js';
import type { PlacedRule, Rule } from '../core/firewall/rule.js';
import type { RuleChange, RuleSet } from '../core/firewall/rule-set.js';
import type { NetworkSpec } from '../core/network.js';
import type { OpenPort, PortBinding } from '../core/port.js';
import type { PortGroup } from '../core/ports.js';
import type { RuleCommits } from './commit.js';
import type { GenerationChoice } from './generation-choice.js';
import type { Log } from './host.js';
import type { Registry } from './registry.js';

/** What of an endpoint's ports the rules are about. */
export interface PublishedPorts {
  readonly bindings: readonly PortBinding[];
  readonly opened: readonly OpenPort[];
}

export class HostRules {
  /** Whose rules still have to go. */
  #former: Generation | undefined;
  /** Families in which the policy of FORWARD was DROP when we last looked. */
  readonly #dropping = new Set<Family>();

  constructor(
    /** Only the families whose rules we write (`--iptables`, `--ip6tables`). */
    private readonly commits: ReadonlyMap<Family, RuleCommits>,
    private readonly choice: GenerationChoice,
    private readonly settings: FirewallSettings,
    private readonly registry: Registry,
  ) {}

  /** The generation whose rules are written now: it also decides how errors are worded. */
  get generationName(): GenerationName {
    return this.choice.current.name;
  }

  /** What the records say of the host's engine; what is seen on the host counts more. */
  expectGeneration(name: GenerationName): void {
    this.choice.expect(name);
  }

  /** The order in which an endpoint's ports are bound and programmed. */
  orderBindings(groups: readonly PortGroup[]): PortGroup[] {
    return this.choice.current.orderBindings(groups);
  }

  ofEndpoint(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    generation = this.choice.current,
  ): PlacedRule[] {
    return this.#families.flatMap((family) => generation.endpointRules(network, endpoint, family));
  }

  ofPorts(
    network: NetworkSpec,
    { bindings, opened }: PublishedPorts,
    generation = this.choice.current,
  ): PlacedRule[] {
    return [
      ...bindings.flatMap((binding) => generation.portRules(network, binding, this.settings)),
      ...opened.flatMap((port) => generation.routedPortRules?.(network, port) ?? []),
    ].filter(({ rule }) => this.#families.includes(rule.family));
  }

  async addNetwork(network: NetworkSpec): Promise<void> {
    await this.#each((family, commits) =>
      commits.submit((found) => only(family, this.#ofNetwork(network, family, found), [])),
    );
  }

  async removeNetwork(network: NetworkSpec): Promise<void> {
    await this.#each((family, commits) =>
      commits.submit((found) => only(family, [], this.#ofNetwork(network, family, found))),
    );
  }

  /** Makes the rules be there, with the chains that they need; one commit a family. */
  async add(rules: readonly PlacedRule[]): Promise<void> {
    if (rules.length === 0) return;
    await this.#each((family, commits) => commits.submit(() => only(family, rules, [])));
  }

  /** Makes the rules not be there; absent ones are no error. */
  async remove(rules: readonly PlacedRule[]): Promise<void> {
    if (rules.length === 0) return;
    await this.#each((family, commits) => commits.submit(() => only(family, [], rules)));
  }

  /**
   * Looks at what is there, and makes it what the intent says; one commit a family. If the engine
   * turns out to write another generation of rules than we did, ours move over. Resolves with what
   * had to be changed, apart from what calls are about to do.
   *
   * @param wants told what is planned for a family; false: neither that nor anything else is done
   */
  async repair(
    log: Log,
    wants: (changes: readonly RuleChange[]) => boolean = () => true,
  ): Promise<RuleChange[]> {
    const changes: RuleChange[] = [];
    let refused = false;
    for (const [family, commits] of this.commits) {
      let underway = new Set<string>();
      const repaired = await commits.repair(
        (found) => {
          underway = new Set(this.#ofCallsUnderway(family, found).map(idOf));
          return this.#intentOfRepair(family, found, log);
        },
        (planned) => {
          refused = !wants(planned) || refused;
          return !refused;
        },
      );
      changes.push(...repaired.filter((each) => !('rule' in each && underway.has(idOf(each)))));
    }
    if (!refused) this.#former = undefined;
    return changes;
  }

  #intentOfRepair(family: Family, found: RuleSet, log: Log): RuleIntent {
    const left = this.choice.observe(family, found);
    if (left !== undefined) {
      this.#former = left;
      log.info(
        { from: left.name, to: this.choice.current.name },
        'the engine writes another generation of rules; ours move over',
      );
    }
    const former = this.#former;
    const wanted = this.#ofAll(family, found);
    const unwanted =
      former === undefined ? [] : without(this.#ofAll(family, found, former), wanted);
    const networks = this.#networks.map((spec) => this.#ofNetwork(spec, family, found));
    const { add, remove } = only(family, wanted, unwanted);
    return {
      add,
      remove,
      lift: [
        ...networks.flatMap((rules) => disorderedRules(found, rules)),
        ...repeatedRules(found, add),
      ],
      ...(former === undefined ? {} : { retire: former.baseRules(family, this.settings) }),
      ...(this.#hasLostItsDrop(family, found) ? { dropForwarded: true } : {}),
    };
  }

  /**
   * The policy of FORWARD goes with the table (`nft flush ruleset`), and then comes back with the
   * rules. A policy that was changed alone is the administrator's will.
   */
  #hasLostItsDrop(family: Family, found: RuleSet): boolean {
    if (this.#networks.length === 0 || !this.choice.writes(family)) return false;
    if (found.policy('filter', 'FORWARD') === 'DROP') {
      this.#dropping.add(family);
      return false;
    }
    const { rules } = this.choice.current.baseRules(family, this.settings);
    const swept = rules.some(({ rule, place }) => place === 'head' && !found.has(rule));
    if (!swept) this.#dropping.delete(family);
    return this.#dropping.has(family);
  }

  /** A repair that comes between a call's intent and its commit does the call's work as well. */
  #ofCallsUnderway(family: Family, found: RuleSet): PlacedRule[] {
    const networks = this.registry
      .networks()
      .filter(({ record }) => record.phase === 'creating')
      .map(({ spec }) => this.#ofNetwork(spec, family, found));
    const endpoints = this.registry
      .endpoints()
      .filter(({ record, publishing }) => record.phase === 'creating' || publishing === 'rules')
      .map(({ spec, network, record }) => [
        ...this.ofEndpoint(network.spec, spec),
        ...this.ofPorts(network.spec, record),
      ]);
    return [...networks, ...endpoints].flat();
  }

  /** What the kernel reports of a transaction: the numbers of rules that we have added. */
  noteTransaction(
    pid: number,
    added: readonly (AddedRule & { readonly family: Family })[],
    tableDeleted: boolean,
  ): void {
    for (const [family, commits] of this.commits) {
      const own = added.filter((rule) => rule.family === family);
      commits.noteTransaction(pid, own, tableDeleted);
    }
  }

  /**
   * Nothing is forwarded that no rule accepts. Of a family whose rules are left to others, the
   * policy is, too: engines up to 27 do not touch ip6tables unless they are told to.
   */
  async dropForwarded(family: Family): Promise<void> {
    if (!this.choice.writes(family)) return;
    await this.commits.get(family)?.submit(() => ({ add: [], remove: [], dropForwarded: true }));
    this.#dropping.add(family);
  }

  /** Everything that the intent asks for, in the order in which it was asked for. */
  #ofAll(family: Family, found: RuleSet, generation = this.choice.current): PlacedRule[] {
    if (!this.choice.writes(family)) return [];
    const endpoints = this.registry
      .endpoints()
      .filter(({ record, network }) => ![record.phase, network.record.phase].includes('removing'));
    return [
      ...this.#networks.flatMap((spec) => this.#ofNetwork(spec, family, found, generation)),
      ...endpoints.flatMap(({ spec, network, record, publishing }) => [
        ...this.ofEndpoint(network.spec, spec, generation),
        // A port that turns out to be another program's must not get a rule.
        ...(publishing === 'sockets' ? [] : this.ofPorts(network.spec, record, generation)),
      ]),
    ];
  }

  #ofNetwork(
    network: NetworkSpec,
    family: Family,
    found: RuleSet,
    generation = this.choice.current,
  ): PlacedRule[] {
    if (!this.choice.writes(family)) return [];
    const own = generation.networkRules(network, family, this.settings);
    if (generation.pairRules === undefined) return own;
    const others = new Map<string, IsolatedNetwork>();
    for (const bridge of forwardedBridges(found)) others.set(bridge, { bridge, internal: false });
    for (const spec of this.#networks) others.set(spec.bridge, spec);
    others.delete(network.bridge);
    const pairs = [...others.values()].flatMap(
      (other) => generation.pairRules?.(network, other, family) ?? [],
    );
    return [...own, ...pairs];
  }

  get #networks(): NetworkSpec[] {
    return this.registry
      .networks()
      .filter(({ record }) => record.phase !== 'removing')
      .map(({ spec }) => spec);
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
  const known = new Set(others.map(idOf));
  return rules.filter((rule) => !known.has(idOf(rule)));
}

function idOf({ rule }: { readonly rule: Rule }): string {
  return `${rule.family} ${rule.table} ${rule.chain} ${rule.text}`;
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
