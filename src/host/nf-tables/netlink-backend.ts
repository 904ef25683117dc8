/**
 * Rules written by our own netlink messages, in the very bytes of the host's iptables: without a process, and
 * with the kernel's handles of new rules at once. What it cannot write (chains, policies, shapes of rules that
 * are not learnt yet) and what the kernel refuses goes by iptables-restore, commit by commit.
 */
import { background } from '../../background.js';
import type { Family } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import type { Rule, Table } from '../../core/rules/rule.js';
import type { RuleChange, RuleSet } from '../../core/rules/rule-set.js';
import { deletedBy, inParts } from '../../core/rules/transactions.js';
import type { Log, RuleBackend, RuleCommitCounts, RuleTransport } from '../../driver/host.js';
import type { RestoreBackend } from '../iptables/restore-backend.js';
import { CommitCounts } from './commit-counts.js';
import { NetlinkTransactions, type NftKernel, type Refusal } from './netlink-transactions.js';
import { NftSocket } from './nft-socket.js';
import type { RuleLearning } from './rule-learning.js';

/**
 * Up to twice as many changes are one transaction. The kernel searches a chain from the top for each rule that is
 * deleted, past those that the same transaction has deleted: the time grows with the square of their number. And a
 * transaction's bytes are in memory once more than its rules, 0.6 KB for each.
 */
const mostAtOnce = 2_500;

export class NetlinkBackend implements RuleBackend {
  #transactions: NetlinkTransactions | undefined;
  readonly #counts = new CommitCounts();
  readonly #lastTransport = new Map<Family, RuleTransport>();

  constructor(
    private readonly restore: RestoreBackend,
    private readonly learning: Pick<RuleLearning, 'follow' | 'expressions' | 'learn'>,
    private readonly log: Log,
    /** false: everything goes by iptables-restore. */
    private readonly enabled = true,
    private readonly openKernel: () => NftKernel = () => new NftSocket(),
    private readonly most = mostAtOnce,
    /** Gets the netlink port of our socket: a report that names this port is about a change of ours. */
    readonly ownPorts = new Set<number>(),
  ) {}

  supports(family: Family): boolean {
    return this.restore.supports(family);
  }

  read(family: Family): Promise<RuleSet> {
    return this.restore.read(family);
  }

  problems(family: Family): string[] {
    return this.restore.problems(family);
  }

  missingTables(family: Family): ReadonlySet<Table> {
    return this.restore.missingTables(family);
  }

  engineStarted(): void {
    this.restore.engineStarted();
  }

  get counts(): RuleCommitCounts {
    return this.#counts.snapshot();
  }

  /** How the family's last commit went, or was tried. */
  transportOf(family: Family): RuleTransport {
    return this.#lastTransport.get(family) ?? 'restore';
  }

  foresee(rules: readonly Rule[]): void {
    if (!this.enabled) return;
    const learning = async (): Promise<void> => {
      if (rules.length === 0 || this.#opened() === undefined) return;
      // iptables would make a table that is missing.
      await this.learning.learn(rules.filter((rule) => this.#transactions?.hasTable(rule)));
    };
    background(this.log, 'learning how iptables writes rules', learning);
  }

  /** Opens the socket before the first commit, so that {@link ownPorts} has its port. */
  open(): void {
    if (this.enabled && this.learning.follow(4)) this.#opened();
  }

  /** Call it only when no commit is under way. */
  close(): void {
    this.#transactions?.close();
    this.#transactions = undefined;
  }

  async commit(family: Family, changes: readonly RuleChange[]): Promise<void> {
    await this.restore.checkVariant(family, changes);
    for (const part of inParts(changes)) await this.#commitPart(family, part);
  }

  async #commitPart(family: Family, part: readonly RuleChange[]): Promise<void> {
    const steps = inParts(part, this.most);
    // All handles are looked up at once, or each of the transactions would list the chains again.
    if (steps.length > 1) await this.#transactions?.findHandles(part);
    for (const [index, step] of steps.entries()) {
      const began = performance.now();
      const refusal = await this.#byNetlink(family, step);
      this.#lastTransport.set(family, refusal === undefined ? 'netlink' : 'restore');
      if (refusal === undefined) {
        this.#counts.note('netlink', step.length, performance.now() - began);
        this.restore.noteDeleted(family, deletedBy(step));
        continue;
      }
      // Together: each iptables-restore reads the chains first.
      await this.#byRestore(family, steps.slice(index).flat(), refusal);
      return;
    }
  }

  async #byRestore(family: Family, changes: readonly RuleChange[], refusal: string): Promise<void> {
    const began = performance.now();
    try {
      await this.restore.commit(family, changes);
    } finally {
      // iptables-restore has changed tables, perhaps also when it failed: `#transactions` has to look again.
      this.#transactions?.doubt();
    }
    this.#counts.note('restore', changes.length, performance.now() - began, refusal);
    // By now the tables of these rules exist, so that learning their shapes makes none.
    this.foresee(changes.flatMap((change) => ('rule' in change ? [change.rule] : [])));
  }

  async #byNetlink(family: Family, changes: readonly RuleChange[]): Promise<Refusal> {
    if (!this.enabled) return 'switched off by --rule-backend';
    if (!this.learning.follow(family)) return 'iptables-legacy';
    if (this.restore.hasPartialChains(family)) return 'chains that iptables cannot print';
    const transactions = this.#opened();
    return transactions === undefined ? 'no socket of nf_tables' : transactions.commit(changes);
  }

  #opened(): NetlinkTransactions | undefined {
    try {
      this.#transactions ??= new NetlinkTransactions(
        this.openKernel(),
        (rule) => this.learning.expressions(rule),
        this.restore.known,
        this.log,
      );
      this.ownPorts.add(this.#transactions.portId);
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'no socket of nf_tables can be opened');
    }
    return this.#transactions;
  }
}
