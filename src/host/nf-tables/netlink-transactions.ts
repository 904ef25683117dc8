/**
 * Writes rules to nf_tables by our own messages, one transaction after the other. Commits that begin in the
 * same turn, as those of both families of one call do, are one transaction.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ruleBatch } from '../../codec/nf-tables/rule-batch.js';
import {
  addedHandles,
  neededHandles,
  operationsOf,
  type RuleOperation,
} from '../../codec/nf-tables/rule-operations.js';
import { DriverError, messageOf } from '../../core/errors.js';
import type { KnownHandles } from '../../core/rules/known-handles.js';
import type { Rule } from '../../core/rules/rule.js';
import type { RuleChange } from '../../core/rules/rule-set.js';
import type { Log } from '../../driver/host.js';
import { Yielding } from '../../yielding.js';
import { HandleLookup } from './handle-lookup.js';
import type { NftSocket } from './nft-socket.js';
import { TableIdentities, type TableName, tableKey, tablesOf } from './table-identities.js';

/** The kernel, as far as it is asked here; tests have a fake that refuses as the kernel does. */
export type NftKernel = Pick<
  NftSocket,
  'transaction' | 'generation' | 'tableHandle' | 'findHandles' | 'portId' | 'close'
>;

/**
 * With more changes than these, a transaction is sent on a thread: the kernel works on it inside of the system call.
 */
const mostInPlace = 100;
/**
 * A transaction that took longer makes those of the next time go on a thread: chains are long, or others write,
 * too.
 */
const longMs = 3;
const afterLongMs = 1_000;
/**
 * After a deletion the kernel can hold the next system calls up for a grace period: some 20 ms, or far longer on a busy
 * machine. So transactions are sent on a thread for this time, and then until one of them was short.
 */
const graceMs = 50;
/** How often rules are sent again because others changed some in between. */
const attempts = 5;

/** Why nothing has changed; undefined: the changes were made. */
export type Refusal = string | undefined;

const refusedWith = (code: string): string => `refused (${code})`;
/** A rule or chain that a change counts on is not there. */
const gone = refusedWith('ENOENT');

interface Prepared {
  readonly operations: readonly RuleOperation[];
  /** What {@link TableIdentities} told of each table when handles of its rules were looked up. */
  readonly identities: ReadonlyMap<string, bigint | undefined>;
  readonly done: (refusal: Refusal) => void;
  readonly failed: (error: unknown) => void;
}

export class NetlinkTransactions {
  readonly #tables: TableIdentities;
  readonly #handles: HandleLookup;
  readonly #waiting: Prepared[] = [];
  #sending: Promise<void> | undefined;
  #threadUntil = 0;
  /** true: since the last deletion no transaction has been short. */
  #inGrace = false;

  constructor(
    private readonly kernel: NftKernel,
    /** The bytes of a rule as the host's iptables writes it; undefined if they are not known. */
    private readonly expressions: (rule: Rule) => Buffer | undefined,
    private readonly known: KnownHandles,
    private readonly log: Log,
    /** The clock in milliseconds; tests have another. */
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#tables = new TableIdentities(kernel, ({ family, table }, generation) => {
      this.known.forgetBefore(family, table, generation);
    });
    this.#handles = new HandleLookup(kernel, this.#tables, known, expressions);
  }

  get portId(): number {
    return this.kernel.portId;
  }

  close(): void {
    this.kernel.close();
  }

  hasTable({ family, table }: TableName): boolean {
    try {
      this.kernel.tableHandle(family, table);
      return true;
    } catch {
      return false;
    }
  }

  /** Others have changed rules, or may have. */
  doubt(): void {
    this.#tables.doubt();
  }

  /**
   * All of the changes, or none if it answers with a reason.
   *
   * @throws {DriverError} `firewall-failed`: it is not known whether they were made
   */
  async commit(changes: readonly RuleChange[]): Promise<Refusal> {
    const refusal = await this.#commit(changes);
    // Others have made a rule of ours anew, under another handle: it is found by its bytes now.
    const mayBeStale = refusal === gone && neededHandles(changes).size > 0;
    return mayBeStale ? this.#commit(changes) : refusal;
  }

  /** Looks up the handles that these changes need, for commits of some of them; a commit tells what is not found. */
  async findHandles(changes: readonly RuleChange[]): Promise<void> {
    const needed = neededHandles(changes);
    if (needed.size === 0) return;
    // Handles that are known of a table that was made anew meanwhile are forgotten here.
    if (typeof this.#handles.generationOf(tablesOf([...needed.keys()])) === 'number') {
      await this.#handles.find(needed);
    }
  }

  async #commit(changes: readonly RuleChange[]): Promise<Refusal> {
    const prepared = await this.#prepare(changes);
    if (typeof prepared === 'string') return prepared;
    const { operations, identities } = prepared;
    return new Promise((done, failed) => {
      this.#waiting.push({ operations, identities, done, failed });
      this.#sending ??= this.#sendAll();
    });
  }

  async #prepare(
    changes: readonly RuleChange[],
  ): Promise<Omit<Prepared, 'done' | 'failed'> | string> {
    if (changes.some((change) => !('rule' in change))) return 'chains';
    const rules = changes.flatMap((change) => ('rule' in change ? [change.rule] : []));
    // Of thousands of rules this takes tens of milliseconds.
    const bytes = new Map<Rule, Buffer | undefined>();
    const yielding = new Yielding();
    for (const change of changes) {
      if (change.op !== 'append' && change.op !== 'insert') continue;
      bytes.set(change.rule, this.expressions(change.rule));
      if (yielding.isDue) await yielding.pause();
    }
    const tables = tablesOf(rules);
    const generation = this.#handles.generationOf(tables);
    if (typeof generation === 'string') return generation;
    const identities = new Map(tables.map((one) => [tableKey(one), this.#tables.of(one)]));
    const missing = await this.#handles.find(neededHandles(changes));
    if (missing !== undefined) return missing;
    const known = {
      expressions: (rule: Rule) => bytes.get(rule),
      handles: (rule: Rule) => this.known.of(rule),
    };
    const operations = await yielding.run(operationsOf(changes, known));
    return typeof operations === 'string' ? operations : { operations, identities };
  }

  /** Never rejects: a failure is handed to those who wait. */
  async #sendAll(): Promise<void> {
    await nextTurn();
    while (this.#waiting.length > 0) await this.#sendTogether(this.#waiting.splice(0));
    this.#sending = undefined;
  }

  async #sendTogether(together: readonly Prepared[]): Promise<void> {
    try {
      const refusal = await this.#transact(together);
      if (refusal === undefined || together.length === 1) {
        for (const { done } of together) done(refusal);
        return;
      }
    } catch (error) {
      for (const { failed } of together) failed(error);
      return;
    }
    // The kernel refuses all because of one: each gets its own answer.
    for (const one of together) await this.#sendTogether([one]);
  }

  async #transact(together: readonly Prepared[]): Promise<Refusal> {
    const operations = together.flatMap((one) => one.operations);
    const tables = tablesOf(operations.map(({ rule }) => rule));
    for (let attempt = 1; ; attempt += 1) {
      const generation = this.#handles.generationOf(tables);
      if (typeof generation === 'string') return generation;
      const isSame = together.every(({ identities }) =>
        tables.every((one) => {
          const known = identities.get(tableKey(one));
          return known === undefined || known === this.#tables.of(one);
        }),
      );
      if (!isSame) return 'a table was made anew';
      const verdict = await this.#ask(generation, operations);
      if (verdict.made) {
        this.#tables.made(generation);
        await this.#note(operations, verdict.echoed);
        return undefined;
      }
      this.#tables.doubt();
      if (verdict.code === 'ERESTART' && attempt < attempts) continue;
      for (const { family, table } of tables) this.known.forget(family, table);
      const rule = verdict.index === undefined ? undefined : operations[verdict.index]?.rule;
      const { code } = verdict;
      this.log.debug(
        { code, family: rule?.family, chain: rule?.chain, rule: rule?.text },
        'nf_tables refuses a change by netlink',
      );
      return refusedWith(code);
    }
  }

  async #ask(
    generation: number,
    operations: readonly RuleOperation[],
  ): ReturnType<NftKernel['transaction']> {
    const batch = await new Yielding().run(ruleBatch(generation, operations));
    const began = this.now();
    const deletes = operations.some(({ op }) => op === 'delete');
    const isEarly = began < this.#threadUntil;
    const inThread = deletes || operations.length > mostInPlace || isEarly || this.#inGrace;
    try {
      return await this.kernel.transaction(batch, inThread);
    } catch (cause) {
      this.#tables.doubt();
      for (const one of tablesOf(operations.map(({ rule }) => rule))) {
        this.known.forget(one.family, one.table);
      }
      const message = `changing the rules by netlink: ${messageOf(cause)}`;
      throw new DriverError('firewall-failed', message, { cause });
    } finally {
      const ended = this.now();
      const isLong = ended - began > longMs;
      if (deletes) this.#threadUntil = ended + graceMs;
      else if (isLong) this.#threadUntil = ended + afterLongMs;
      this.#inGrace = deletes || (this.#inGrace && (isLong || isEarly));
    }
  }

  async #note(
    operations: readonly RuleOperation[],
    echoed: Parameters<typeof addedHandles>[1],
  ): Promise<void> {
    const yielding = new Yielding();
    for (const operation of operations) {
      if (yielding.isDue) await yielding.pause();
      if (operation.op === 'delete') this.known.remove(operation.rule, operation.handle);
    }
    for (const [{ rule, place }, handle] of addedHandles(operations, echoed)) {
      if (yielding.isDue) await yielding.pause();
      const others = this.known.of(rule);
      if (place === 'end') this.known.set(rule, [...others, handle]);
      else if (place === 'top') this.known.set(rule, [handle, ...others]);
      // Whether it stands above or below its copies is not known; a reading of the kernel's bytes tells.
      else this.known.set(rule, others.length === 0 ? [handle] : []);
    }
  }
}
