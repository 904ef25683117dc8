/**
 * The rules of networks, endpoints and ports in the chains of Docker's engines, in both families.
 */
import { type Family, familyOf } from '../../core/address.js';
import type { FirewallSettings, GenerationName } from '../../core/generations/generation.js';
import { isTranslated } from '../../core/generations/ports/udp-sockets.js';
import type { EndpointSpec } from '../../core/network/endpoint.js';
import type { NetworkSpec } from '../../core/network/network.js';
import type { PortBinding } from '../../core/ports/port.js';
import type { PortGroup } from '../../core/ports/requests.js';
import type { PlacedRule } from '../../core/rules/rule.js';
import type { RuleChange } from '../../core/rules/rule-set.js';
import type {
  DesiredCount,
  Firewall,
  PublishedPorts,
  RepairOutcome,
  RepairScope,
} from '../firewall.js';
import type { Links, Log, RuleBackend } from '../host.js';
import type { RuleSettings } from '../state/records.js';
import type { Registry } from '../state/registry.js';
import { DesiredRules } from './desired-rules.js';
import type { GenerationChoice } from './generation-choice.js';
import type { PortMaps } from './port-maps.js';
import { portLists } from './port-rules.js';
import { RuleCommits, type RuleRequest } from './rule-commits.js';
import { countRules } from './rule-counts.js';
import { RuleRepair } from './rule-repair.js';
import { withoutShared } from './shared-rules.js';

/** Networks of a host have few kinds: the newest ones tell which rules come next. */
const foreseenNetworks = 4;

export class IptablesFirewall implements Firewall {
  readonly #desired: DesiredRules;
  readonly #repairs: RuleRepair;
  readonly #commits: ReadonlyMap<Family, RuleCommits>;
  #refused: () => void = () => {};

  constructor(
    private readonly backend: RuleBackend,
    private readonly choice: GenerationChoice,
    settings: FirewallSettings,
    private readonly registry: Registry,
    links: Pick<Links, 'find' | 'list'>,
    log: Log,
    /** Absent: no network has its ports in a map. */
    private readonly maps?: PortMaps,
  ) {
    this.#desired = new DesiredRules(choice, settings, registry);
    this.#repairs = new RuleRepair(choice, settings, this.#desired, links, log);
    this.#commits = new Map(
      ([4, 6] as const).map((family) => [
        family,
        new RuleCommits(family, backend, this.#desired, this.#repairs, log),
      ]),
    );
  }

  get generationName(): GenerationName {
    return this.choice.current.name;
  }

  get opensRoutedAtJoin(): boolean {
    return this.choice.current.opensRoutedAtJoin ?? false;
  }

  expectGeneration(name: GenerationName): void {
    this.choice.expect(name);
  }

  ruleSettingsOf(network: NetworkSpec): RuleSettings {
    return this.#desired.ruleSettingsOf(network);
  }

  orderBindings(groups: readonly PortGroup[]): PortGroup[] {
    return this.choice.current.orderBindings(groups);
  }

  problems(): string[] {
    return this.#families.flatMap((family) => this.backend.problems(family));
  }

  async addNetwork(network: NetworkSpec): Promise<void> {
    this.maps?.check(network);
    await this.#submit(() => ({ kind: 'add-network', network }));
    await this.maps?.addNetwork(network);
    this.backend.foresee(this.#desired.foreseen(network));
  }

  async removeNetwork(network: NetworkSpec): Promise<void> {
    await this.#submit(() => ({ kind: 'remove-network', network }));
    await this.maps?.removeNetwork(network);
  }

  async addEndpoint(network: NetworkSpec, endpoint: EndpointSpec): Promise<void> {
    if (this.#desired.ofEndpoint(network, endpoint).length === 0) return;
    await this.#add(async () => this.#desired.ofEndpoint(network, endpoint));
  }

  removeEndpoint(network: NetworkSpec, endpoint: EndpointSpec): Promise<void> {
    const rules = [
      ...this.#desired.ofEndpoint(network, endpoint),
      ...this.#desired.formerOfEndpoint(network, endpoint),
    ];
    return this.#remove(withoutShared(this.registry, network, endpoint, rules));
  }

  async preparePorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    ports: PublishedPorts,
  ): Promise<void> {
    await this.#desired.ofPorts(network, endpoint, ports);
  }

  async addPorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    ports: PublishedPorts,
  ): Promise<void> {
    const { bindings, opened, added = [] } = ports;
    if ([bindings, opened, added].every(({ length }) => length === 0)) return;
    // The rules are made when the request is planned, not here: else a removal of the same ports that is submitted
    // later could be planned first.
    await this.#add(() => this.#desired.ofPorts(network, endpoint, ports));
    await this.maps?.addPorts(network, ports);
  }

  async guardPorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    bindings: readonly PortBinding[],
  ): Promise<void> {
    const rules = this.#desired.guardsOf(network, endpoint, bindings);
    if (rules.length > 0) await this.#add(async () => rules);
  }

  async unguardPorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    tried: readonly (readonly PortBinding[])[],
    kept: PublishedPorts,
  ): Promise<void> {
    const guards = (each: readonly PortBinding[]) =>
      this.#desired.guardsOf(network, endpoint, each);
    const stay = portLists(kept).flatMap(guards);
    const texts = new Set(stay.map(({ rule }) => keyOf(rule)));
    const gone = tried.flatMap(guards).filter(({ rule }) => !texts.has(keyOf(rule)));
    if (gone.length === 0) return;
    if (stay.length > 0) await this.#add(async () => stay);
    await this.#remove(gone);
  }

  whyUnguarded(family: Family): string | undefined {
    if (!this.#families.includes(family) || !this.choice.writes(family)) {
      return `no IPv${family} rules are written on this host`;
    }
    const missing = this.backend.missingTables(family);
    const table = (['mangle', 'nat'] as const).find((each) => missing.has(each));
    return table && `this kernel has no table ${table} for IPv${family}`;
  }

  async removePorts(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    ports: PublishedPorts,
    kept: PublishedPorts = { bindings: [], opened: [] },
  ): Promise<void> {
    // The former rules are taken before any wait: a repair that ends meanwhile makes them unknown.
    const both = await Promise.all([
      this.#desired.formerOfPorts(network, ports),
      this.#desired.ofPorts(network, endpoint, ports),
    ]);
    this.#desired.forgetPorts(endpoint);
    // A container's port that is published twice has one rule that lets traffic in.
    const stay = await this.#desired.ofPorts(network, endpoint, kept);
    const texts = new Set(stay.map(({ rule }) => keyOf(rule)));
    await this.maps?.removePorts(network, ports, kept);
    const all = both.flat();
    await this.#remove(texts.size === 0 ? all : all.filter(({ rule }) => !texts.has(keyOf(rule))));
  }

  /** Both families are read: a port held on an IPv6 address can belong to one that is translated for IPv4. */
  async translates(binding: PortBinding): Promise<boolean> {
    for (const family of this.#families) {
      if (family > familyOf(binding.hostIp)) continue;
      const observed = await this.backend.read(family);
      if (isTranslated(observed.rules('nat', 'DOCKER'), binding)) return true;
    }
    return false;
  }

  /**
   * A family whose rules we do not write keeps its policy, too: engines up to 27 change ip6tables only with
   * their flag `--ip6tables`.
   */
  async dropForwarded(family: Family): Promise<void> {
    if (!this.choice.writes(family) || !this.#families.includes(family)) return;
    await this.#commits.get(family)?.submit({ kind: 'drop-forwarded' });
    this.#repairs.noteDrop(family);
  }

  async countDesired(): Promise<readonly DesiredCount[]> {
    const counts: DesiredCount[] = [];
    for (const family of this.#families) {
      const byTable = await countRules(this.#desired, family);
      for (const [table, count] of byTable) counts.push({ family, table, count });
    }
    return counts;
  }

  engineStarted(): void {
    this.backend.engineStarted();
    this.#refused();
  }

  readAhead(): void {
    for (const family of this.#families) this.#commits.get(family)?.readAhead();
  }

  /**
   * One commit a family. If the scope refuses the changes of one family, the next one is not repaired either.
   */
  async repair(scope: RepairScope, families: readonly Family[] = [4, 6]): Promise<RepairOutcome> {
    const changes: RuleChange[] = [];
    let refused = false;
    await this.#desired.preparePorts();
    for (const family of this.#families) {
      if (!families.includes(family) && !this.#repairs.movesOver) continue;
      const outcome: RepairOutcome | undefined = await this.#commits
        .get(family)
        ?.submit({ kind: 'repair', scope: refused ? 'nothing' : scope });
      refused = outcome?.refused ?? refused;
      changes.push(...(outcome?.changes ?? []));
    }
    if (!refused) this.#repairs.finished();
    const networks = this.#desired.networks.slice(-foreseenNetworks);
    this.backend.foresee(networks.flatMap((network) => this.#desired.foreseen(network)));
    return { changes, refused };
  }

  onRefusal(listener: () => void): void {
    this.#refused = listener;
    this.maps?.onRefusal(listener);
    for (const commits of this.#commits.values()) commits.onRefusal(listener);
  }

  /** The families whose rules the settings let us write (`--ip6tables`) and the host has. */
  get #families(): Family[] {
    return [...this.#commits.keys()].filter(
      (family) => this.choice.mayWrite(family) && this.backend.supports(family),
    );
  }

  async #add(make: () => Promise<readonly PlacedRule[]>): Promise<void> {
    await this.#submit((family) => {
      return {
        kind: 'change',
        add: async () => (await make()).filter(({ rule }) => rule.family === family),
        remove: [],
      };
    });
  }

  async #remove(placed: readonly PlacedRule[]): Promise<void> {
    if (placed.length === 0) return;
    const rules = placed.map(({ rule }) => rule);
    await this.#submit((family) => {
      return {
        kind: 'change',
        add: async () => [],
        remove: rules.filter((rule) => rule.family === family),
      };
    });
  }

  /** Both families at once; if one fails the other is still waited for, so that undo sees all. */
  async #submit(requestOf: (family: Family) => RuleRequest): Promise<void> {
    const results = await Promise.allSettled(
      this.#families.map((family) => this.#commits.get(family)?.submit(requestOf(family))),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}

function keyOf({ family, table, chain, text }: PlacedRule['rule']): string {
  return `${family} ${table} ${chain} ${text}`;
}
