/**
 * Rules kept by iptables: read as `iptables-save` text, changed by `iptables-restore` or by handle.
 */
import { renderRestore } from '../../codec/iptables/iptables-restore.js';
import type { RuleTransaction } from '../../codec/nf-tables/nft-events.js';
import type { Family } from '../../core/address.js';
import { DriverError, messageOf } from '../../core/errors.js';
import { describeMissing, optionalTables } from '../../core/rules/chains/missing-tables.js';
import { describePartial } from '../../core/rules/chains/partial-chains.js';
import { KnownHandles } from '../../core/rules/known-handles.js';
import type { Rule, Table } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import { addedBy, deletedBy, inParts, tableOf } from '../../core/rules/transactions.js';
import type { Log, RuleBackend } from '../../driver/host.js';
import { Yielding } from '../../yielding.js';
import { DeletionByHandle } from './deletion-by-handle.js';
import { RuleHandles } from './handles.js';
import type { IptablesText } from './iptables-text.js';
import { readYielding } from './read-rules.js';

/** What is known of one family beside its rules. */
interface FamilyState {
  readonly handles: RuleHandles;
  readonly missing: Set<Table>;
  /**
   * Chains that hold rules which iptables cannot print, as read last: `filter FORWARD` → in words.
   */
  partial: ReadonlyMap<string, string>;
  /** Value of `#variant` when the rules were read last. */
  readWith: number;
}

export class RestoreBackend implements RuleBackend {
  /** Handles of rules that the daemon has written by either transport. */
  readonly known = new KnownHandles();
  readonly #states: Readonly<Record<Family, FamilyState>> = {
    4: stateOf(4, this.known),
    6: stateOf(6, this.known),
  };

  /** Goes up whenever another variant of iptables is used from then on. */
  #variant = 0;
  #variantChanged: () => void = () => {};
  readonly #deletion: DeletionByHandle;

  constructor(
    private readonly commands: IptablesText,
    private readonly log: Log,
  ) {
    this.#deletion = new DeletionByHandle(commands);
  }

  supports(family: Family): boolean {
    return this.commands.supports(family);
  }

  async read(family: Family): Promise<RuleSet> {
    await this.#followVariant();
    const readWith = this.#variant;
    const rules = await readYielding(await this.commands.read(family));
    const state = this.#states[family];
    state.readWith = readWith;
    // Others have copied the rule, above or below ours: which copy has the known handle cannot be told.
    for (const { table, chain, text } of rules.repeated()) {
      this.known.forgetText(family, table, chain, text);
    }
    const told = state.partial;
    state.partial = new Map(
      rules.partialChains.map(({ table, chain }) => [
        `${table} ${chain}`,
        describePartial(table, chain),
      ]),
    );
    for (const [name, words] of state.partial) {
      if (!told.has(name)) this.log.warn({ family }, words);
    }
    return rules;
  }

  problems(family: Family): string[] {
    const { missing, partial } = this.#states[family];
    const doubts = family === 4 ? this.commands.problems() : [];
    const lacking = [...missing].map((table) => describeMissing(family, table));
    return [...doubts, ...lacking, ...partial.values()];
  }

  missingTables(family: Family): ReadonlySet<Table> {
    return this.#states[family].missing;
  }

  /** Whether iptables cannot print some rules of the family's chains, as of the last {@link read}. */
  hasPartialChains(family: Family): boolean {
    return this.#states[family].partial.size > 0;
  }

  foresee(): void {
    // iptables-restore waits for the next rules in any case.
  }

  /** The listener is told when rules are kept by another variant of iptables from now on. */
  onVariant(listener: () => void): void {
    this.#variantChanged = listener;
  }

  engineStarted(): void {
    this.commands.engineStarted();
  }

  /**
   * What the kernel reports of any program's transaction: the handles of rules that we have added.
   */
  noteTransaction(
    transaction: Pick<RuleTransaction, 'pid' | 'added' | 'tableDeleted' | 'generation'>,
  ): void {
    for (const family of [4, 6] as const) {
      const added = transaction.added.filter((rule) => rule.family === family);
      this.#states[family].handles.noteTransaction({ ...transaction, added });
    }
    this.#deletion.noteReport(transaction.generation);
  }

  /** Call it when netlink has deleted rules of the family. */
  noteDeleted(family: Family, rules: readonly Rule[]): void {
    this.#states[family].handles.noteDeleted(rules);
  }

  /** Call it when some of the kernel's reports were lost, or were not heard until now. */
  noteGap(): void {
    for (const { handles } of Object.values(this.#states)) handles.forget();
    this.#deletion.noteGap();
  }

  /** Additions before deletions; the latter by handle, where all the handles are known. */
  async commit(family: Family, changes: readonly RuleChange[]): Promise<void> {
    await this.checkVariant(family, changes);
    const yielding = new Yielding();
    if (await this.#deletesByHandle(family, changes)) {
      const rest = changes.filter(({ op }) => op !== 'delete');
      await this.#restore(family, rest, yielding);
      const left = await this.#deleteHandled(family, deletedBy(changes));
      await this.#restore(
        family,
        left.map((rule) => ({ op: 'delete', rule })),
        yielding,
      );
      return;
    }
    const { partial } = this.#states[family];
    const isHidden = (change: RuleChange): boolean =>
      change.op === 'delete' && partial.has(`${change.rule.table} ${change.rule.chain}`);
    await this.#restore(
      family,
      partial.size === 0 ? changes : changes.filter((c) => !isHidden(c)),
      yielding,
    );
    if (partial.size > 0) await this.#deleteHidden(family, changes.filter(isHidden));
  }

  async #followVariant(): Promise<void> {
    if (!(await this.commands.followVariant())) return;
    this.#variant += 1;
    this.noteGap();
    this.#variantChanged();
  }

  /**
   * Refuses changes that were planned on the rules of another variant; the driver then reads again and
   * repeats the plan.
   *
   * @throws {DriverError} `firewall-failed`, or `firewall-split` while it is in doubt which one the engine uses
   */
  async checkVariant(family: Family, changes: readonly RuleChange[]): Promise<void> {
    await this.#followVariant();
    if (this.#states[family].readWith !== this.#variant) {
      throw new DriverError('firewall-failed', 'the engine uses another variant of iptables now');
    }
    // Deletions are right in the variant that has the rules, even while it is in doubt which one the engine uses.
    if (changes.some(({ op }) => op !== 'delete' && op !== 'delete-chain'))
      this.commands.refuseDoubt();
  }

  /** @returns those that are still to be deleted, by their texts */
  async #deleteHandled(family: Family, rules: readonly Rule[]): Promise<Rule[]> {
    const { handles } = this.#states[family];
    try {
      return await this.#deletion.delete(rules, handles);
    } catch (error) {
      handles.forget();
      throw error;
    }
  }

  /**
   * Deletes rules one by one from chains that hold rules which iptables cannot print: it is not known whether
   * ours exist there, and some rules of `nft` keep iptables from finding those below them.
   */
  async #deleteHidden(family: Family, changes: readonly RuleChange[]): Promise<void> {
    const { partial } = this.#states[family];
    for (const change of changes) {
      if (change.op !== 'delete') continue;
      if ((await this.#deleteHandled(family, [change.rule])).length === 0) continue;
      try {
        await this.commands.restore(family, renderRestore([change]));
      } catch (error) {
        if (isAbsent(messageOf(error))) continue;
        const words = partial.get(`${change.rule.table} ${change.rule.chain}`);
        const rule = `-D ${change.rule.chain} ${change.rule.text}`;
        throw new DriverError('firewall-failed', `${messageOf(error)} (${rule}: ${words})`, {
          cause: error,
        });
      }
    }
  }

  async #restore(
    family: Family,
    changes: readonly RuleChange[],
    yielding: Yielding,
  ): Promise<void> {
    const { handles } = this.#states[family];
    let reported = this.commands.deletesByHandle(family);
    let before: readonly RuleChange[] = [];
    for (const part of inParts(changes)) {
      // nft must have read the reports of one part from the kernel's buffer before the next part fills it.
      if (before.length > 0 && reported) reported = await handles.untilReported(addedBy(before));
      const text = renderRestore(part);
      await yielding.pause();
      try {
        await this.commands.restore(family, text, (pid) => handles.expect(pid, part));
      } catch (error) {
        handles.forget();
        await this.#probeTables(family, new Set(part.map(tableOf)));
        throw error;
      }
      before = part;
    }
  }

  /** Whether the rules are deleted by handle; else by their texts. */
  async #deletesByHandle(family: Family, changes: readonly RuleChange[]): Promise<boolean> {
    const deletions = deletedBy(changes);
    if (deletions.length === 0 || !this.commands.deletesByHandle(family)) return false;
    // A chain goes after its last rule, in the same transaction.
    if (changes.some(({ op }) => op === 'delete-chain')) return false;
    // Rules that only move are deleted before they are added: the positions count on it.
    const added = new Set(addedBy(changes).map(({ text }) => text));
    if (deletions.some(({ text }) => added.has(text))) return false;
    // Of several copies of a rule that iptables-restore has added only the last one's handle is known.
    if (new Set(deletions.map(ruleName)).size < deletions.length) return false;
    return this.#states[family].handles.areKnown(deletions);
  }

  /** After a refusal: a table that turns out to be missing is left out from now on. */
  async #probeTables(family: Family, tried: ReadonlySet<Table>): Promise<void> {
    try {
      for (const table of optionalTables(family).filter((each) => tried.has(each))) {
        // A failure proves that the table is missing only if table filter can be written at the same time.
        if (await this.commands.hasTable(family, table)) continue;
        if (!(await this.commands.hasTable(family, 'filter'))) continue;
        this.#states[family].missing.add(table);
        this.log.warn({ family, table }, describeMissing(family, table));
      }
    } catch {
      // Another program has the lock. The caller gets the error of the commit.
    }
  }
}

function stateOf(family: Family, known: KnownHandles): FamilyState {
  const handles = new RuleHandles(family, known);
  return { handles, missing: new Set(), partial: new Map(), readWith: 0 };
}

/** What iptables-restore says of a rule to delete that is not there. */
function isAbsent(message: string): boolean {
  return /RULE_DELETE failed|does a matching rule exist/.test(message);
}

const ruleName = ({ table, chain, text }: Rule): string => `${table} ${chain} ${text}`;
