/**
 * Adds rules to the tables that `explain` has read, or takes rules out of them (`--with`, `--without`); the host is not
 * changed.
 */
import type { RuleTable, TableChain, TableRule } from './chains/rule-table.js';

export interface SupposedRule {
  readonly kind: 'with';
  /** Name of the table: `filter`. */
  readonly table: string;
  readonly chain: string;
  /** Position that it gets, from 1; absent: it is the last. */
  readonly position?: number;
  readonly rule: Omit<TableRule, 'number'>;
}

export interface RemovedRule {
  readonly kind: 'without';
  readonly table: string;
  readonly chain: string;
  /** Its position as it is now, or its text as iptables-save prints it, without `-A CHAIN`. */
  readonly which: number | string;
}

/** Where iptables makes a chain by itself. */
const builtIn: Readonly<Record<string, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  security: ['INPUT', 'FORWARD', 'OUTPUT'],
};

/** Where the kernel takes a target (the `table` and `hooks` of each xt_target); those that are not here it takes everywhere. */
const homes: Readonly<
  Record<string, { readonly table: string; readonly chains: readonly string[] }>
> = {
  DNAT: { table: 'nat', chains: ['PREROUTING', 'OUTPUT'] },
  REDIRECT: { table: 'nat', chains: ['PREROUTING', 'OUTPUT'] },
  SNAT: { table: 'nat', chains: ['POSTROUTING', 'INPUT'] },
  MASQUERADE: { table: 'nat', chains: ['POSTROUTING'] },
  REJECT: { table: 'filter', chains: ['INPUT', 'FORWARD', 'OUTPUT'] },
  CT: { table: 'raw', chains: ['PREROUTING', 'OUTPUT'] },
  NOTRACK: { table: 'raw', chains: ['PREROUTING', 'OUTPUT'] },
  TPROXY: { table: 'mangle', chains: ['PREROUTING'] },
};
/** A packet has no interface yet, or none any more: iptables refuses to ask for it. */
const noInterface: Readonly<Record<string, readonly string[]>> = {
  '-o': ['PREROUTING', 'INPUT'],
  '-i': ['OUTPUT', 'POSTROUTING'],
};

/** A rule is not where the supposition says, or cannot be there. The message is a sentence without a full stop. */
export class SupposedWrongly extends Error {
  override readonly name = 'SupposedWrongly';
}

/**
 * The tables as they would be. First those rules go that are supposed to, at their present positions; then the others
 * come, in order. Of two tables of one name (iptables' nft and legacy) it is the one that has the chain, nft's before.
 *
 * @throws {SupposedWrongly}
 */
export function suppose(
  tables: readonly RuleTable[],
  family: RuleTable['family'],
  rules: readonly (SupposedRule | RemovedRule)[],
): RuleTable[] {
  const gone = rules.filter((rule) => rule.kind === 'without');
  const removed = new Set(gone.map((rule) => find(tables, rule)));
  const kept = tables.map((table) => ({
    ...table,
    chains: new Map(
      [...table.chains].map(([name, chain]) => [
        name,
        withRules(
          chain,
          chain.rules.filter((rule) => !removed.has(rule)),
        ),
      ]),
    ),
  }));
  return rules
    .filter((rule) => rule.kind === 'with')
    .reduce<RuleTable[]>((all, rule) => add(all, family, rule), kept);
}

function find(tables: readonly RuleTable[], { table, chain, which }: RemovedRule): TableRule {
  const found = tables
    .filter(({ name }) => name === table)
    .flatMap(({ chains }) => chains.get(chain)?.rules ?? [])
    .find(({ number, text }) => (typeof which === 'number' ? number === which : text === which));
  if (found !== undefined) return found;
  const place = `chain ${chain} of table ${table}`;
  throw new SupposedWrongly(
    typeof which === 'number'
      ? `${place} has no rule ${which}`
      : `${place} has no rule “${which}”; it is compared with what iptables-save prints`,
  );
}

/** @throws {SupposedWrongly} for a rule that the kernel or iptables refuses in this chain, whatever else is in it */
function refuseMisplaced({ table, chain, rule: { matches, target } }: SupposedRule): void {
  const home = target && homes[target.name];
  const isBuiltIn = builtIn[table]?.includes(chain) === true;
  if (home !== undefined && (home.table !== table || (isBuiltIn && !home.chains.includes(chain)))) {
    throw new SupposedWrongly(
      `no rule of chain ${chain} in table ${table} can have the target ${target?.name}: it is for table ${home.table} ` +
        `alone, and what comes from ${home.chains.join(' or ')} there`,
    );
  }
  const basic = matches.filter(({ module }) => module === '').flatMap(({ options }) => options);
  const wrong = basic.find(({ flag }) => noInterface[flag]?.includes(chain) === true);
  if (wrong !== undefined) {
    const which = wrong.flag === '-o' ? 'leaves by' : 'came in by';
    throw new SupposedWrongly(
      `no rule of chain ${chain} can have ${wrong.flag}: the interface that a packet ${which} is not known there`,
    );
  }
}

function add(tables: readonly RuleTable[], family: RuleTable['family'], rule: SupposedRule) {
  refuseMisplaced(rule);
  const named = tables.filter(({ name }) => name === rule.table);
  const home = named.find(({ chains }) => chains.has(rule.chain));
  if (home !== undefined) {
    return tables.map((table) => (table === home ? placed(home, rule) : table));
  }
  if (builtIn[rule.table]?.includes(rule.chain) !== true) {
    throw new SupposedWrongly(`there is no chain ${rule.chain} in table ${rule.table}`);
  }
  // A table of which nothing has been used yet, so that the kernel has none: iptables makes it with its chains.
  const [first] = named;
  const empty: TableChain = { name: rule.chain, policy: 'ACCEPT', rules: [] };
  const made: RuleTable = {
    ...(first ?? { family, variant: 'nft', name: rule.table }),
    chains: new Map([...(first?.chains ?? []), [rule.chain, empty]]),
  };
  return [...tables.filter((table) => table !== first), placed(made, rule)];
}

function placed(table: RuleTable, { chain: name, position, rule }: SupposedRule): RuleTable {
  const chain = table.chains.get(name) as TableChain;
  const most = chain.rules.length + 1;
  if (position !== undefined && position > most) {
    throw new SupposedWrongly(
      `chain ${name} of table ${table.name} has ${most - 1} rules: no rule can be its number ${position}`,
    );
  }
  const at = (position ?? most) - 1;
  const rules = [...chain.rules.slice(0, at), { ...rule, number: 0 }, ...chain.rules.slice(at)];
  return { ...table, chains: new Map([...table.chains, [name, withRules(chain, rules)]]) };
}

function withRules(chain: TableChain, rules: readonly TableRule[]): TableChain {
  return { ...chain, rules: rules.map((rule, index) => ({ ...rule, number: index + 1 })) };
}
