/**
 * The rules of a kernel, and an iptables that takes restore text for them and refuses what the real one
 * refuses. Tests use the latter as somebody else's, too.
 */
import type { RuleDeletion } from '../../src/codec/nf-tables/rule-batch.js';
import type { Family } from '../../src/core/address.js';
import { type Table, tables } from '../../src/core/rules/rule.js';
import type { IptablesText } from '../../src/host/iptables/iptables-text.js';

const builtIns: Readonly<Record<Table, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
};

export type Chains = Map<string, { policy: string; rules: string[] }>;

export class FakeFirewall implements IptablesText {
  readonly #families = new Map<Family, Map<Table, Chains>>();
  /** Every change that was asked for, also those refused. */
  readonly restores: { family: Family; text: string }[] = [];
  /** Set to make the next restores fail, one message each. */
  readonly failures: string[] = [];
  reads = 0;

  supports(): boolean {
    return true;
  }

  async read(family: Family): Promise<string> {
    this.reads += 1;
    const lines: string[] = [];
    for (const [table, chains] of this.tables(family)) {
      lines.push(`*${table}`);
      for (const [name, { policy }] of chains) lines.push(`:${name} ${policy} [0:0]`);
      for (const [name, { rules }] of chains) {
        for (const rule of rules) lines.push(`-A ${name} ${rule}`);
      }
      lines.push('COMMIT');
    }
    return `${lines.join('\n')}\n`;
  }

  /** Tables that this kernel lacks. */
  readonly missing = new Set<Table>();

  async hasTable(_family: Family, table: Table): Promise<boolean> {
    return !this.missing.has(table);
  }

  async followVariant(): Promise<boolean> {
    return false;
  }

  refuseDoubt(): void {}

  engineStarted(): void {}

  problems(): string[] {
    return [];
  }

  deletesByHandle(): boolean {
    return false;
  }

  async deleteRules(_deletions: readonly RuleDeletion[], _generation: number): Promise<boolean> {
    throw new Error('no nft here');
  }

  async restore(family: Family, text: string): Promise<void> {
    this.restores.push({ family, text });
    await Promise.resolve();
    this.failIfPlanned();
    let table: Table | undefined;
    let draft: Chains = new Map();
    text.split('\n').forEach((line, index) => {
      if (line === '') return;
      if (line.startsWith('*')) {
        table = tables.find((name) => name === line.slice(1));
        if (table === undefined || this.missing.has(table))
          throw new Error(`line ${index + 1} failed: ${line}`);
        draft = structuredClone(this.tables(family).get(table) ?? new Map());
      } else if (line === 'COMMIT') {
        if (table !== undefined) this.tables(family).set(table, draft);
      } else if (!change(draft, line)) throw new Error(`line ${index + 1} failed: ${line}`);
    });
  }

  failIfPlanned(): void {
    const failure = this.failures.shift();
    if (failure !== undefined) throw new Error(failure);
  }

  /** The rules of a chain, as `iptables-save` would print them without `-A CHAIN`. */
  rules(table: Table, chain: string, family: Family = 4): readonly string[] {
    return this.tables(family).get(table)?.get(chain)?.rules ?? [];
  }

  policy(chain: string): string | undefined {
    return this.tables(4).get('filter')?.get(chain)?.policy;
  }

  /** Everything, for comparison. */
  dump(family: Family = 4): Record<string, readonly string[]> {
    const all: Record<string, readonly string[]> = {};
    for (const [table, chains] of this.tables(family)) {
      for (const [name, { rules }] of chains) all[`${table} ${name}`] = [...rules];
    }
    return all;
  }

  /** As `iptables -F` in every table. */
  flush(): void {
    for (const family of this.#families.values()) {
      for (const chains of family.values()) for (const chain of chains.values()) chain.rules = [];
    }
  }

  /** As `nft flush ruleset`: the next look finds the built-in chains alone, with policy ACCEPT. */
  flushRuleset(): void {
    this.#families.clear();
  }

  /** What the kernel has: for a backend of its own. */
  tables(family: Family): Map<Table, Chains> {
    const known = this.#families.get(family);
    if (known !== undefined) return known;
    const fresh = new Map<Table, Chains>(
      tables.map((table) => [
        table,
        new Map(builtIns[table].map((name) => [name, { policy: 'ACCEPT', rules: [] }])),
      ]),
    );
    this.#families.set(family, fresh);
    return fresh;
  }
}

/** false if the line is refused. */
function change(chains: Chains, line: string): boolean {
  const policy = /^:(\S+) (ACCEPT|DROP) \[0:0\]$/.exec(line);
  if (policy?.[1] !== undefined) {
    const chain = chains.get(policy[1]);
    if (chain === undefined) return false;
    chain.policy = policy[2] ?? '';
    return true;
  }
  const [, op, name, rest = ''] = /^-([NXAID]) (\S+) ?(.*)$/.exec(line) ?? [];
  if (op === undefined || name === undefined) return false;
  if (op === 'N') {
    if (chains.has(name)) return false;
    chains.set(name, { policy: '-', rules: [] });
    return true;
  }
  if (op === 'X') {
    const jumps = [...chains.values()].some((chain) =>
      chain.rules.some((rule) => rule.endsWith(`-j ${name}`)),
    );
    return !jumps && chains.get(name)?.rules.length === 0 && chains.delete(name);
  }
  const rules = chains.get(name)?.rules;
  if (rules === undefined) return false;
  const target = /-j ((?:DOCKER|TSBRIDGE-)\S*)/.exec(rest)?.[1];
  if (op === 'D') {
    const at = rules.indexOf(rest);
    if (at < 0) return false;
    rules.splice(at, 1);
    return true;
  }
  if (target !== undefined && !chains.has(target)) return false;
  if (op === 'A') {
    rules.push(rest);
    return true;
  }
  const insert = /^(\d+) (.*)$/.exec(rest);
  const position = Number(insert?.[1]);
  if (!(position >= 1 && position <= rules.length + 1)) return false;
  rules.splice(position - 1, 0, insert?.[2] ?? '');
  return true;
}
