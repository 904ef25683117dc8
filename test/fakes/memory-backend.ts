/** A second backend: rules as data in memory, without text. It refuses what a kernel refuses. */
import type { Family } from '../../src/core/address.js';
import { DriverError } from '../../src/core/errors.js';
import { describeMissing, optionalTables } from '../../src/core/rules/chains/missing-tables.js';
import type { Table } from '../../src/core/rules/rule.js';
import { type RuleChange, RuleSet } from '../../src/core/rules/rule-set.js';
import { inTransactions, tableOf } from '../../src/core/rules/transactions.js';
import type { Log, RuleBackend } from '../../src/driver/host.js';
import type { Chains, FakeFirewall } from './fake-firewall.js';

export class MemoryBackend implements RuleBackend {
  readonly #missing = new Set<Table>();

  constructor(
    private readonly kernel: FakeFirewall,
    private readonly log: Log,
  ) {}

  supports(): boolean {
    return true;
  }

  engineStarted(): void {}

  foresee(): void {}

  problems(family: Family): string[] {
    return [...this.#missing].map((table) => describeMissing(family, table));
  }

  missingTables(): ReadonlySet<Table> {
    return this.#missing;
  }

  async read(family: Family): Promise<RuleSet> {
    this.kernel.reads += 1;
    const rules = new RuleSet();
    for (const [table, chains] of this.kernel.tables(family)) {
      for (const [name, chain] of chains) {
        rules.addChain(table, name, chain.policy === '-' ? undefined : chain.policy);
        for (const text of chain.rules) rules.append(table, name, text);
      }
    }
    return rules;
  }

  async commit(family: Family, changes: readonly RuleChange[]): Promise<void> {
    this.kernel.restores.push({ family, text: JSON.stringify(changes) });
    await Promise.resolve();
    this.kernel.failIfPlanned();
    for (const transaction of inTransactions(changes)) {
      if (this.kernel.missing.has(transaction.table)) {
        this.#noteMissing(family, transaction.table);
        throw refusal(`no table ${transaction.table}`);
      }
      const draft = structuredClone(this.kernel.tables(family).get(transaction.table) ?? new Map());
      for (const change of transaction.changes) apply(draft, change);
      this.kernel.tables(family).set(transaction.table, draft);
    }
  }

  /** What lacks the filter table, too, lacks all of it. */
  #noteMissing(family: Family, table: Table): void {
    if (!optionalTables(family).includes(table) || this.kernel.missing.has('filter')) return;
    this.#missing.add(table);
    this.log.warn({ family, table }, describeMissing(family, table));
  }
}

function apply(chains: Chains, change: RuleChange): void {
  const name = 'rule' in change ? change.rule.chain : change.chain;
  const chain = chains.get(name);
  const refuse = (why: string): never => {
    throw refusal(`${change.op} in chain ${name} of table ${tableOf(change)}: ${why}`);
  };
  if (change.op === 'create-chain') {
    if (chain !== undefined) refuse('it is there');
    chains.set(name, { policy: '-', rules: [] });
    return;
  }
  if (chain === undefined) throw refusal(`no chain ${name} in table ${tableOf(change)}`);
  if (change.op === 'policy') {
    chain.policy = change.policy;
    return;
  }
  if (change.op === 'delete-chain') {
    const users = [...chains.values()].flatMap(({ rules }) => rules);
    if (chain.rules.length > 0) refuse('it has rules');
    if (users.some((text) => text.endsWith(`-j ${name}`))) refuse('a rule jumps to it');
    chains.delete(name);
    return;
  }
  const { text, target } = change.rule;
  if (change.op === 'delete') {
    const at = chain.rules.indexOf(text);
    if (at < 0) refuse(`no rule ${text}`);
    chain.rules.splice(at, 1);
    return;
  }
  if (typeof target === 'object' && 'jump' in target && !chains.has(target.jump)) {
    refuse(`no chain ${target.jump}`);
  }
  const at = change.op === 'append' ? chain.rules.length : change.position;
  if (at > chain.rules.length) refuse(`no position ${at}`);
  chain.rules.splice(at, 0, text);
}

function refusal(what: string): DriverError {
  return new DriverError('firewall-failed', what);
}
