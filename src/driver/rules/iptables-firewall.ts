/** The rules of networks, endpoints and ports, of both families, as this host's engine has them. */
import type { Family } from '../../core/address.js';
import type { FirewallSettings, GenerationName } from '../../core/generations/generation.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import type { NetworkSpec } from '../../core/network/network.js';
import type { PortGroup } from '../../core/ports/requests.js';
import type { AddedRule } from '../../core/rules/handles.js';
import { describeMissing } from '../../core/rules/missing-tables.js';
import type { RuleIntent } from '../../core/rules/plan.js';
import type { PlacedRule } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import type { Log } from '../host.js';
import type { RuleTerms } from '../state/records.js';
import type { Registry } from '../state/registry.js';
import type { GenerationChoice } from './generation-choice.js';
import { RuleRepair } from './repair-intent.js';
import type { RuleCommits } from './rule-commits.js';
import { type PublishedPorts, WantedRules } from './wanted-rules.js';

export class HostRules {
  readonly #wanted: WantedRules;
  readonly #repair: RuleRepair;

  constructor(
    /** Only the families whose rules we write (`--iptables`, `--ip6tables`); complete at the first call. */
    private readonly commits: ReadonlyMap<Family, RuleCommits>,
    private readonly choice: GenerationChoice,
    settings: FirewallSettings,
    registry: Registry,
  ) {
    this.#wanted = new WantedRules(commits, choice, settings, registry);
    this.#repair = new RuleRepair(commits, choice, settings, this.#wanted);
  }

  /** The generation whose rules are written now: it also decides how errors are worded. */
  get generationName(): GenerationName {
    return this.choice.current.name;
  }

  /** What the records say of the host's engine; what is seen on the host counts more. */
  expectGeneration(name: GenerationName): void {
    this.choice.expect(name);
  }

  /** In which words the rules of the network are written now. */
  termsOf(network: NetworkSpec): RuleTerms {
    return this.#wanted.termsOf(network);
  }

  /** The order in which an endpoint's ports are bound and programmed. */
  orderBindings(groups: readonly PortGroup[]): PortGroup[] {
    return this.choice.current.orderBindings(groups);
  }

  /** What cannot be written on this host, in words. */
  problems(): string[] {
    return [...this.commits].flatMap(([family, { missingTables }]) =>
      missingTables.map((table) => describeMissing(family, table)),
    );
  }

  ofEndpoint(network: NetworkSpec, endpoint: EndpointSpec): PlacedRule[] {
    return this.#wanted.ofEndpoint(network, endpoint);
  }

  ofPorts(network: NetworkSpec, ports: PublishedPorts): PlacedRule[] {
    return this.#wanted.ofPorts(network, ports);
  }

  /** Before {@link ofPorts}, where there are many. */
  makePortsAhead(network: NetworkSpec, ports: PublishedPorts): Promise<void> {
    return this.#wanted.makeAhead(network, ports);
  }

  async addNetwork(network: NetworkSpec): Promise<void> {
    await this.#commit((family, found) => [this.#wanted.ofNetwork(network, family, found), []]);
  }

  async removeNetwork(network: NetworkSpec): Promise<void> {
    await this.#commit((family, found) => [[], this.#wanted.ofNetwork(network, family, found)]);
  }

  /** Makes the rules be there, with the chains that they need; one commit a family. */
  async add(rules: readonly PlacedRule[]): Promise<void> {
    if (rules.length === 0) return;
    await this.#commit(() => [rules, []]);
  }

  /** Makes the rules not be there; absent ones are no error. */
  async remove(rules: readonly PlacedRule[]): Promise<void> {
    if (rules.length === 0) return;
    await this.#commit(() => [[], rules]);
  }

  /** See {@link RuleCommits.readAhead}. */
  readAhead(): void {
    for (const commits of this.commits.values()) commits.readAhead();
  }

  /** See {@link RuleRepair.run}. */
  repair(
    log: Log,
    wants: (changes: readonly RuleChange[]) => boolean = () => true,
    families: readonly Family[] = [4, 6],
  ): Promise<RuleChange[]> {
    return this.#repair.run(log, wants, families);
  }

  /** See {@link RuleCommits.onRefusal}. */
  onRefusal(listener: () => void): void {
    for (const commits of this.commits.values()) commits.onRefusal(listener);
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

  /** Some of the kernel's reports are missing. */
  noteGap(): void {
    for (const commits of this.commits.values()) commits.noteGap();
  }

  /**
   * Nothing is forwarded that no rule accepts. Of a family whose rules are left to others, the
   * policy is, too: engines up to 27 do not touch ip6tables unless they are told to.
   */
  async dropForwarded(family: Family): Promise<void> {
    if (!this.choice.writes(family)) return;
    await this.commits.get(family)?.submit(() => ({ add: [], remove: [], dropForwarded: true }));
    this.#repair.noteDrop(family);
  }

  /** Both families at once; if one fails the other is still waited for, so that undo sees all. */
  async #commit(
    intent: (
      family: Family,
      found: RuleSet,
    ) => readonly [readonly PlacedRule[], readonly PlacedRule[]],
  ): Promise<void> {
    const results = await Promise.allSettled(
      [...this.commits].map(([family, commits]) =>
        commits.submit((found) => ({
          ...only(family, ...intent(family, found)),
          ...this.#repair.keptDrop(family, found),
        })),
      ),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
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
