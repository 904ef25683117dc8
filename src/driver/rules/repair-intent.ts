/** What a repair wants of the rules: everything that should be there, in its place, and no more. */
import type { Family } from '../../core/address.js';
import type { FirewallSettings, Generation } from '../../core/generations/generation.js';
import { disorderedRules, repeatedRules } from '../../core/rules/disorder.js';
import type { RuleIntent } from '../../core/rules/plan.js';
import type { PlacedRule, Rule } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import { Pieces } from '../../pieces.js';
import type { Log } from '../host.js';
import type { GenerationChoice } from './generation-choice.js';
import type { RuleCommits } from './rule-commits.js';
import type { WantedRules } from './wanted-rules.js';

export class RuleRepair {
  /** Whose chains and jumps still have to go. */
  readonly #former = new Set<Generation>();
  /** Families in which the policy of FORWARD was DROP when we last looked. */
  readonly #dropping = new Set<Family>();

  constructor(
    private readonly commits: ReadonlyMap<Family, RuleCommits>,
    private readonly choice: GenerationChoice,
    private readonly settings: FirewallSettings,
    private readonly wanted: WantedRules,
  ) {}

  /**
   * Looks at what is there, and makes it what the intent says; one commit a family. If the engine
   * turns out to write another generation of rules than we did, ours move over. Resolves with what
   * had to be changed, apart from what calls are about to do.
   *
   * @param wants told what is planned for a family; false: neither that nor anything else is done
   * @param families the others are looked at only if the generation has changed
   */
  async run(
    log: Log,
    wants: (changes: readonly RuleChange[]) => boolean,
    families: readonly Family[],
  ): Promise<RuleChange[]> {
    const changes: RuleChange[] = [];
    let refused = false;
    await this.wanted.makeAllAhead();
    for (const [family, commits] of this.commits) {
      if (!families.includes(family) && this.#former.size === 0) continue;
      const underway = new Set<string>();
      const noteCalls = (found: RuleSet): void => {
        for (const each of this.wanted.ofCallsUnderway(family, found)) underway.add(idOf(each));
      };
      const repaired = await commits.repair(
        async (found) => {
          noteCalls(found);
          const intent = await this.#intent(family, found, log);
          // Those that came meanwhile wait for this commit, and may be part of it.
          noteCalls(found);
          return intent;
        },
        (planned) => {
          refused = !wants(planned) || refused;
          return !refused;
        },
      );
      changes.push(...repaired.filter((each) => !('rule' in each && underway.has(idOf(each)))));
    }
    if (!refused) this.#former.clear();
    return changes;
  }

  /** The policy of FORWARD was made DROP. */
  noteDrop(family: Family): void {
    this.#dropping.add(family);
  }

  async #intent(family: Family, found: RuleSet, log: Log): Promise<RuleIntent> {
    const pieces = new Pieces();
    const before = this.choice.current;
    for (const former of this.choice.observe(family, found)) this.#former.add(former);
    const { current } = this.choice;
    if (current !== before) {
      log.info(
        { from: before.name, to: current.name },
        'the engine writes another generation of rules; ours move over',
      );
    }
    const add = await this.wanted.ofAll(family, found, pieces);
    const former = this.wanted
      .ofFormerTerms(family, found)
      .filter(({ rule }) => rule.family === family);
    const unwanted = former.length === 0 ? [] : without(former, add);
    const disordered: Rule[] = [];
    for (const network of this.wanted.networks) {
      disordered.push(...disorderedRules(found, this.wanted.ofNetwork(network, family, found)));
      await pieces.pause();
    }
    const repeated = repeatedRules(found, add);
    await pieces.pause();
    return {
      add,
      remove: unwanted.map(({ rule }) => rule),
      lift: [...disordered, ...repeated],
      retire: [...this.#former]
        .filter((each) => each !== current)
        .map((each) => each.baseRules(family, this.settings)),
      ...this.keptDrop(family, found),
    };
  }

  /** As a part of every intent: a call that makes the chains again must not come without it. */
  keptDrop(family: Family, found: RuleSet): { dropForwarded?: true } {
    return this.#hasLostItsDrop(family, found) ? { dropForwarded: true } : {};
  }

  /**
   * The policy of FORWARD goes with the table (`nft flush ruleset`), and then comes back with the
   * rules. A policy that was changed alone is the administrator's will.
   */
  #hasLostItsDrop(family: Family, found: RuleSet): boolean {
    if (this.wanted.networks.length === 0 || !this.choice.writes(family)) return false;
    if (found.policy('filter', 'FORWARD') === 'DROP') {
      this.#dropping.add(family);
      return false;
    }
    const { rules } = this.choice.current.baseRules(family, this.settings);
    const swept = rules.some(({ rule, place }) => place === 'head' && !found.has(rule));
    if (!swept) this.#dropping.delete(family);
    return this.#dropping.has(family);
  }
}

function without(rules: readonly PlacedRule[], others: readonly PlacedRule[]): PlacedRule[] {
  const known = new Set(others.map(idOf));
  return rules.filter((rule) => !known.has(idOf(rule)));
}

function idOf({ rule }: { readonly rule: Rule }): string {
  return `${rule.family} ${rule.table} ${rule.chain} ${rule.text}`;
}
