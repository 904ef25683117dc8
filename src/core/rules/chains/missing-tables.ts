/**
 * Kernels that lack a table: old and small ones have no raw or mangle, or no nat for IPv6. Docker refuses to
 * start containers there; the daemon leaves the table out, and tells what does not work without it.
 */
import type { Family } from '../../address.js';
import type { BaseRules, RuleEdit } from '../plan.js';
import { ownedChains, type Rule, type Table } from '../rule.js';

/** The tables that a network can do without. */
export function optionalTables(family: Family): readonly Table[] {
  return family === 4 ? ['raw', 'mangle'] : ['raw', 'mangle', 'nat'];
}

const lost: Readonly<Record<Exclude<Table, 'filter'>, string>> = {
  raw:
    'other hosts that route to a container, or to 127.0.0.1, reach its published ports, which ' +
    'Docker prevents from 28 on',
  mangle:
    'answers over SCTP get no checksum, and networks with tsbridge.publish_from or egress_allow are refused',
  nat: 'nothing is masqueraded, and published ports are reached through the userland proxy only',
};

/** For the log and the status. */
export function describeMissing(family: Family, table: Table): string {
  const what = `this kernel has no table ${table} for IPv${family}`;
  return table === 'filter' ? what : `${what}: ${lost[table]}`;
}

/**
 * Rules of Docker are left out where their table is missing; those of tsbridge's own options must not be, since they keep
 * traffic back that would pass otherwise.
 *
 * @returns the text of an error, if the edit has such a rule; undefined: the edit can do without the missing tables
 */
export function lossOf(
  family: Family,
  missing: ReadonlySet<Table>,
  edit: Pick<RuleEdit, 'add'>,
): string | undefined {
  if (missing.size === 0) return undefined;
  const lostRule = edit.add.find(
    ({ rule }) =>
      missing.has(rule.table) &&
      rule.table !== 'raw' &&
      ownedChains.some((own) => own === rule.chain),
  )?.rule;
  if (lostRule === undefined) return undefined;
  return `this kernel has no table ${lostRule.table} for IPv${family}, without which tsbridge.publish_from, egress_allow and egress_ip cannot be kept: leave them out, or load the kernel's module`;
}

export function withoutTables(missing: ReadonlySet<Table>, base: BaseRules): BaseRules {
  if (missing.size === 0) return base;
  return {
    chains: base.chains.filter(({ table }) => !missing.has(table)),
    rules: base.rules.filter(({ rule }) => !missing.has(rule.table)),
  };
}

export function editWithoutTables(missing: ReadonlySet<Table>, edit: RuleEdit): RuleEdit {
  if (missing.size === 0) return edit;
  const kept = (rules: readonly Rule[]): Rule[] => rules.filter(({ table }) => !missing.has(table));
  return {
    ...edit,
    add: edit.add.filter(({ rule }) => !missing.has(rule.table)),
    remove: kept(edit.remove),
    relocate: kept(edit.relocate ?? []),
    ...(edit.stale === undefined ? {} : { stale: kept(edit.stale) }),
    dropBase: (edit.dropBase ?? []).map((former) => withoutTables(missing, former)),
    ...(edit.dropUnused === undefined
      ? {}
      : { dropUnused: edit.dropUnused.map((group) => withoutTables(missing, group)) }),
  };
}
