/**
 * Group commit: requests that arrive while a commit runs share the next one, so that a thousand
 * rules or sixty-four containers cost one commit each (docs/adr/0003-commits-and-the-model.md).
 */
import { awaitedLater } from '../../background.js';
import type { Family } from '../../core/address.js';
import { DriverError, messageOf, wrapError } from '../../core/errors.js';
import type { NetworkSpec } from '../../core/network/network.js';
import { withGroups, withUnused } from '../../core/rules/chains/chain-groups.js';
import {
  editWithoutTables,
  lossOf,
  withoutTables,
} from '../../core/rules/chains/missing-tables.js';
import {
  blindDeletions,
  comparableBase,
  comparableEdit,
} from '../../core/rules/chains/partial-chains.js';
import { planInSteps, type RuleEdit } from '../../core/rules/plan.js';
import type { PlacedRule, Rule } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import { Yielding } from '../../yielding.js';
import type { RepairOutcome, RepairScope } from '../firewall.js';
import type { Log, RuleBackend } from '../host.js';
import type { DesiredRules } from './desired-rules.js';
import { type RuleRepair, ruleKey } from './rule-repair.js';

/** What is asked of one family's rules. Its edit is made right before the plan, on the model of that moment. */
export type RuleRequest =
  | { readonly kind: 'add-network' | 'remove-network'; readonly network: NetworkSpec }
  | {
      readonly kind: 'change';
      /** Made right before the plan: by then a repair can have changed the generation. */
      readonly add: () => Promise<readonly PlacedRule[]>;
      readonly remove: readonly Rule[];
    }
  | { readonly kind: 'drop-forwarded' }
  /** Makes everything as desired; the rules are read again first. */
  | { readonly kind: 'repair'; readonly scope: RepairScope };

interface Pending {
  readonly request: RuleRequest;
  readonly resolve: (outcome: RepairOutcome) => void;
  readonly reject: (error: unknown) => void;
}

interface Planned {
  readonly outcome: RepairOutcome;
  /** To be committed. */
  readonly changes: readonly RuleChange[];
  /** What the host has then. */
  readonly model: RuleSet;
}

/** The rules of one family: a model of what the kernel has, and a queue of requests to change it. */
export class RuleCommits {
  /** undefined: the rules have to be read before the next plan. */
  #model: RuleSet | undefined;
  #reading: Promise<RuleSet> | undefined;
  readonly #queue: Pending[] = [];
  #working: Promise<void> | undefined;
  #refused: () => void = () => {};

  constructor(
    private readonly family: Family,
    private readonly backend: RuleBackend,
    private readonly desired: DesiredRules,
    private readonly repairs: RuleRepair,
    private readonly log: Log,
  ) {}

  /** Resolves when the host's rules are as requested. After a failure the caller undoes what was done. */
  submit(request: RuleRequest): Promise<RepairOutcome> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ request, resolve, reject });
      this.#working ??= this.#workOff();
    });
  }

  /**
   * Begins to read the host's rules, for the next plan: a start does other things meanwhile.
   */
  readAhead(): void {
    this.#reading = this.backend.read(this.family);
    awaitedLater(this.#reading);
  }

  /**
   * The listener is called when the host refuses a change that fits the model: another program has changed
   * rules without a sign of it yet.
   */
  onRefusal(listener: () => void): void {
    this.#refused = listener;
  }

  /** Never rejects: a failure rejects the promises of the requests it belongs to. */
  async #workOff(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0);
      try {
        const outcomes = await this.#commit(batch.map(({ request }) => request));
        batch.forEach(({ resolve }, index) => {
          resolve(outcomes[index] ?? nothingDone);
        });
      } catch (error) {
        this.log.info(
          { family: this.family, calls: batch.length, error: messageOf(error) },
          'firewall commit refused; reading the rules again and trying each call alone',
        );
        await this.#commitAlone(batch);
        this.#refused();
      }
    }
    this.#working = undefined;
  }

  /**
   * After a batch has failed: a request that the host refuses then fails alone, and the others, which failed
   * with it or because the rules had changed, get a second try.
   */
  async #commitAlone(batch: readonly Pending[]): Promise<void> {
    for (const { request, resolve, reject } of batch) {
      try {
        const [outcome] = await this.#commit([request]);
        resolve(outcome ?? nothingDone);
      } catch (error) {
        reject(wrapError(`changing the IPv${this.family} rules`, error, 'firewall-failed'));
      }
    }
  }

  /**
   * Plans each request on top of the ones before it, and commits all of them together. A call changes the
   * registry before it submits a request, and a repair plans from the registry: so the repair keeps what was
   * asked for before it, and what is asked for after it is planned on what it leaves. Whichever comes first,
   * the host has what is desired after both.
   */
  async #commit(batch: readonly RuleRequest[]): Promise<RepairOutcome[]> {
    if (batch.some(({ kind }) => kind === 'repair')) this.#model = undefined;
    try {
      const yielding = new Yielding();
      let model = this.#model ?? (await this.#read());
      const outcomes: RepairOutcome[] = [];
      const changes: RuleChange[] = [];
      for (const [index, request] of batch.entries()) {
        const planned = await this.#plan(request, batch.slice(index + 1), model, yielding);
        outcomes.push(planned.outcome);
        changes.push(...planned.changes);
        model = planned.model;
      }
      this.#model = model;
      if (changes.length > 0) await this.backend.commit(this.family, changes);
      return outcomes;
    } catch (error) {
      // The plans are in the model already, and the host has refused them.
      this.#model = undefined;
      throw error;
    }
  }

  async #plan(
    request: RuleRequest,
    later: readonly RuleRequest[],
    model: RuleSet,
    yielding: Yielding,
  ): Promise<Planned> {
    if (request.kind === 'repair') return this.#planRepair(request.scope, later, model, yielding);
    const edit = await this.#editOf(request, model);
    const loss = lossOf(this.family, this.backend.missingTables(this.family), edit);
    if (loss !== undefined) throw new DriverError('firewall-failed', loss);
    const blind = blindDeletions(model, edit.remove);
    const planned = await this.#changes(edit, model, yielding);
    const changes = [...planned, ...blind];
    return { outcome: { changes, refused: false }, changes, model };
  }

  /** Plans on a copy of the model: if the scope does not allow the changes, the model stays. */
  async #planRepair(
    scope: RepairScope,
    later: readonly RuleRequest[],
    model: RuleSet,
    yielding: Yielding,
  ): Promise<Planned> {
    const { edit, underway } = await this.repairs.editOf(this.family, model);
    for (const request of [...later, ...this.#queue.map((pending) => pending.request)]) {
      if (request.kind === 'change') for (const rule of request.remove) underway.add(ruleKey(rule));
    }
    const next = model.copy();
    const all = await this.#changes(comparableEdit(next, edit), next, yielding);
    const changes = all.filter(
      (change) => !('rule' in change && underway.has(ruleKey(change.rule))),
    );
    return allows(scope, all)
      ? { outcome: { changes, refused: false }, changes: all, model: next }
      : { outcome: { changes, refused: true }, changes: [], model };
  }

  /** Plans the edit, and applies the changes to the model. */
  async #changes(edit: RuleEdit, model: RuleSet, yielding: Yielding): Promise<RuleChange[]> {
    const missing = this.backend.missingTables(this.family);
    const groups = this.desired.groups(this.family);
    const all = withGroups(this.desired.base(this.family), groups, edit.add);
    const base = withoutTables(missing, comparableBase(model, all));
    await yielding.pause();
    return yielding.run(
      planInSteps(model, base, editWithoutTables(missing, withUnused(edit, groups)), groups),
    );
  }

  async #editOf(
    request: Exclude<RuleRequest, { readonly kind: 'repair' }>,
    model: RuleSet,
  ): Promise<RuleEdit> {
    const { family, desired, repairs } = this;
    const kept = repairs.keptDrop(family, model);
    switch (request.kind) {
      case 'add-network':
        return { add: desired.ofNetwork(request.network, family, model), remove: [], ...kept };
      case 'remove-network': {
        const rules = desired.ofRemoved(request.network, family, model);
        return { add: [], remove: rules.map(({ rule }) => rule), ...kept };
      }
      case 'change':
        return { add: await request.add(), remove: request.remove, ...kept };
      case 'drop-forwarded':
        return { add: [], remove: [], dropForwarded: true };
    }
  }

  /** The reading that {@link readAhead} has begun, or one that begins now. */
  #read(): Promise<RuleSet> {
    const reading = this.#reading ?? this.backend.read(this.family);
    this.#reading = undefined;
    return reading;
  }
}

const nothingDone: RepairOutcome = { changes: [], refused: false };

function allows(scope: RepairScope, changes: readonly RuleChange[]): boolean {
  if (scope === 'no-new-chains') return changes.every(({ op }) => op !== 'create-chain');
  return scope === 'everything';
}
