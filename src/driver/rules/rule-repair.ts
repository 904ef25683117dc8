/** The edit of a repair: adds every desired rule, each in its place, and removes what is ours and not desired. */
import { type Cidr, contains, type Family } from '../../core/address.js';
import type { FirewallSettings, Generation } from '../../core/generations/generation.js';
import { disorderedRules, repeatedRules } from '../../core/rules/disorder.js';
import type { RuleEdit } from '../../core/rules/plan.js';
import type { PlacedRule, Rule } from '../../core/rules/rule.js';
import { RuleSet } from '../../core/rules/rule-set.js';
import { findStale } from '../../core/rules/stale.js';
import { Yielding } from '../../yielding.js';
import type { Links, Log } from '../host.js';
import type { DesiredRules } from './desired-rules.js';
import type { GenerationChoice } from './generation-choice.js';

/** What a repair of one family comes to. */
export interface RepairEdit {
  readonly edit: RuleEdit;
  /**
   * {@link ruleKey} of the rules that calls under way will commit. A repair that commits before them changes
   * these as well; they are not reported as repaired, since no other program had changed them.
   */
  readonly underway: Set<string>;
}

export class RuleRepair {
  /** Generations whose chains and jumps still have to go. */
  readonly #former = new Set<Generation>();
  /** Families in which the policy of FORWARD was DROP when it was read last. */
  readonly #dropping = new Set<Family>();

  constructor(
    private readonly choice: GenerationChoice,
    private readonly settings: FirewallSettings,
    private readonly desired: DesiredRules,
    private readonly links: Pick<Links, 'find' | 'list'>,
    private readonly log: Log,
  ) {}

  /** Whether the generation has changed, so that every family has to be repaired. */
  get movesOver(): boolean {
    return this.#former.size > 0;
  }

  /** All families were repaired: nothing is left of former generations. */
  finished(): void {
    this.#former.clear();
  }

  /** The policy of FORWARD was made DROP. */
  noteDrop(family: Family): void {
    this.#dropping.add(family);
  }

  async editOf(family: Family, observed: RuleSet): Promise<RepairEdit> {
    const yielding = new Yielding();
    const underway = new Set<string>();
    const noteCalls = async (): Promise<void> => {
      for (const { rule } of await this.desired.ofCallsUnderway(family, observed)) {
        underway.add(ruleKey(rule));
      }
    };
    await noteCalls();
    this.#observe(family, observed);
    const add = await this.desired.ofAll(family, observed, yielding);
    const former = (await this.desired.ofFormerSettings(family, observed, yielding)).filter(
      ({ rule }) => rule.family === family,
    );
    const unwanted = former.length === 0 ? [] : without(former, add);
    const disordered: Rule[] = [];
    for (const network of this.desired.networks) {
      const own = this.desired.ofNetwork(network, family, observed);
      disordered.push(...disorderedRules(observed, own));
      await yielding.pause();
    }
    const repeated = repeatedRules(observed, add);
    await yielding.pause();
    const stale = await this.#staleRules(family, observed, [...add, ...unwanted], yielding);
    const { current } = this.choice;
    const edit: RuleEdit = {
      add,
      remove: unwanted.map(({ rule }) => rule),
      stale,
      relocate: [...disordered, ...repeated],
      dropBase: [...this.#former]
        .filter((each) => each !== current)
        .map((each) => each.baseRules(family, this.settings)),
      dropUnused: this.desired.groups(family),
      ...this.keptDrop(family, observed),
    };
    // Again: calls that came while the edit was made wait for this commit, which may contain their rules.
    await noteCalls();
    return { edit, underway };
  }

  /**
   * Rules in Docker's chains that are about us and are not desired; see `core/rules/stale.ts`.
   */
  async #staleRules(
    family: Family,
    observed: RuleSet,
    known: readonly PlacedRule[],
    yielding: Yielding,
  ): Promise<Rule[]> {
    const own = this.desired.ownThings(family);
    if (own === undefined || !this.choice.writes(family)) return [];
    const wanted = new RuleSet();
    const groups = this.desired.groups(family).flatMap(({ rules }) => rules);
    for (const { rule } of [...known, ...this.desired.base(family).rules, ...groups]) {
      wanted.append(rule.table, rule.chain, rule.text);
    }
    await yielding.pause();
    const candidates = await yielding.run(findStale(family, observed, wanted, own));
    const stale: Rule[] = [];
    const others = candidates.some(({ leadsTo }) => leadsTo !== undefined)
      ? await this.#subnetsOfOthers()
      : [];
    for (const { rule, strangers, leadsTo } of candidates) {
      if (leadsTo !== undefined && others.some((subnet) => contains(subnet, leadsTo))) continue;
      const exist = await Promise.all(strangers.map((name) => this.links.find(name)));
      if (exist.every((link) => link === undefined)) stale.push(rule);
    }
    return stale;
  }

  /** The subnets of bridges that no network of ours is on: above all, those of the built-in driver. */
  async #subnetsOfOthers(): Promise<Cidr[]> {
    const own = new Set<string>(this.desired.networks.map(({ bridge }) => bridge));
    const links = await this.links.list();
    return links.filter(({ name }) => !own.has(name)).flatMap(({ addresses }) => addresses);
  }

  #observe(family: Family, observed: RuleSet): void {
    const before = this.choice.current;
    for (const former of this.choice.observe(family, observed)) this.#former.add(former);
    const { current } = this.choice;
    if (current === before) return;
    this.log.info(
      { from: before.name, to: current.name },
      'the engine writes another generation of rules; ours move over',
    );
  }

  /** Part of every edit, since any call may be the one that makes the flushed chains again. */
  keptDrop(family: Family, observed: RuleSet): { dropForwarded?: true } {
    return this.#hasLostItsDrop(family, observed) ? { dropForwarded: true } : {};
  }

  /**
   * Whether the policy of FORWARD was lost with the whole table (`nft flush ruleset`): then it is set again
   * with the rules. A policy that was changed by itself is the administrator's decision, and stays.
   */
  #hasLostItsDrop(family: Family, observed: RuleSet): boolean {
    if (this.desired.networks.length === 0 || !this.choice.writes(family)) return false;
    if (observed.policy('filter', 'FORWARD') === 'DROP') {
      this.#dropping.add(family);
      return false;
    }
    const { chains } = this.choice.current.baseRules(family, this.settings);
    // `iptables -F` leaves chains and policy: with the chains in place, the policy was set on purpose.
    const swept = chains.some(({ table, chain }) => !observed.hasChain(table, chain));
    if (!swept) this.#dropping.delete(family);
    return this.#dropping.has(family);
  }
}

function without(rules: readonly PlacedRule[], others: readonly PlacedRule[]): PlacedRule[] {
  const known = new Set(others.map(({ rule }) => ruleKey(rule)));
  return rules.filter(({ rule }) => !known.has(ruleKey(rule)));
}

/** The same for equal rules. */
export function ruleKey(rule: Rule): string {
  return `${rule.family} ${rule.table} ${rule.chain} ${rule.text}`;
}
