/** Changes of rules → what a transaction of nf_tables does, where each rule's bytes and handle are known. */
import type { Rule } from '../../core/rules/rule.js';
import type { RuleChange } from '../../core/rules/rule-set.js';
import type { RuleAddition, RuleDeletion, RulePlace } from './rule-batch.js';

/** What is known of the host's rules. */
export interface KnownRules {
  /** The bytes that the host's iptables would write for the rule; undefined: they are not known. */
  expressions(rule: Rule): Buffer | undefined;
  /** Handles of the copies that exist, the topmost first; not all of them may be known. */
  handles(rule: Rule): readonly number[];
}

export type RuleOperation = RuleAddition | RuleDeletion;

/** Why the backend writes changes by transport `restore` and not by netlink: what the changes need and netlink cannot do. */
export type NotByNetlink = 'chains' | 'a rule of an unknown kind' | 'a place' | 'a rule not found';

const keyOf = ({ family, table, chain, text }: Rule): string =>
  `${family} ${table} ${chain} ${text}`;

/** The rules whose handles the changes need, and of how many copies from the top. */
export function neededHandles(changes: readonly RuleChange[]): Map<Rule, number> {
  const needed = new Map<string, { readonly rule: Rule; readonly count: number }>();
  const deleted = new Map<string, number>();
  const added = new Set<string>();
  for (const change of changes) {
    if (!('rule' in change)) continue;
    const isDeletion = change.op === 'delete';
    const rule = isDeletion ? change.rule : change.op === 'insert' ? change.below : undefined;
    if (!isDeletion) added.add(keyOf(change.rule));
    const key = rule === undefined ? undefined : keyOf(rule);
    if (rule === undefined || key === undefined || added.has(key)) continue;
    const count = (deleted.get(key) ?? 0) + 1;
    if (isDeletion) deleted.set(key, count);
    needed.set(key, { rule, count: Math.max(count, needed.get(key)?.count ?? 0) });
  }
  return new Map([...needed.values()].map(({ rule, count }) => [rule, count]));
}

/** The operations in the order of the changes, or why there are none; a step for each change. */
export function* operationsOf(
  changes: readonly RuleChange[],
  known: KnownRules,
): Generator<undefined, readonly RuleOperation[] | NotByNetlink> {
  const operations: RuleOperation[] = [];
  /** Rules that the transaction has added, with the index of their operation. */
  const added = new Map<string, number>();
  /** How many copies of each rule the transaction has deleted. */
  const deleted = new Map<string, number>();
  for (const change of changes) {
    yield;
    if (!('rule' in change)) return 'chains';
    const { rule } = change;
    const key = keyOf(rule);
    if (change.op === 'delete') {
      const before = deleted.get(key) ?? 0;
      const handle = known.handles(rule)[before];
      // What the same transaction has added has no handle yet.
      if (handle === undefined || added.has(key)) return 'a rule not found';
      deleted.set(key, before + 1);
      operations.push({ op: 'delete', rule, handle });
      continue;
    }
    const expressions = known.expressions(rule);
    if (expressions === undefined) return 'a rule of an unknown kind';
    const place = change.op === 'append' ? 'end' : placeOf(change, added, deleted, known);
    if (place === undefined) return 'a place';
    if (typeof place === 'object' && 'id' in place) {
      const above = operations[place.id - 1];
      if (above?.op === 'add') operations[place.id - 1] = { ...above, id: place.id };
    }
    added.set(key, operations.length + 1);
    operations.push({ op: 'add', rule, expressions, place, echo: false });
  }
  return withEchoes(operations);
}

function placeOf(
  change: RuleChange & { readonly op: 'insert' },
  added: ReadonlyMap<string, number>,
  deleted: ReadonlyMap<string, number>,
  known: KnownRules,
): RulePlace | undefined {
  if (change.position === 0) return 'top';
  if (change.below === undefined) return undefined;
  const key = keyOf(change.below);
  const id = added.get(key);
  if (id !== undefined) return { id };
  const handle = known.handles(change.below)[deleted.get(key) ?? 0];
  return handle === undefined ? undefined : { handle };
}

/**
 * The handles of the rules that a transaction adds to a table follow each other, so that those of the first and
 * the last one tell all of them; if the kernel answers with each, that takes as long as to add it.
 */
function withEchoes(operations: readonly RuleOperation[]): RuleOperation[] {
  const edges = new Set<number>();
  for (const indexes of additionsByTable(operations).values()) {
    edges.add(indexes[0] ?? -1).add(indexes.at(-1) ?? -1);
  }
  return operations.map((operation, index) =>
    operation.op === 'add' && edges.has(index) ? { ...operation, echo: true } : operation,
  );
}

/** Indexes of the additions to each table of each family. */
function additionsByTable(operations: readonly RuleOperation[]): Map<string, number[]> {
  const tables = new Map<string, number[]>();
  operations.forEach((operation, index) => {
    if (operation.op !== 'add') return;
    const name = `${operation.rule.family} ${operation.rule.table}`;
    const indexes = tables.get(name);
    if (indexes === undefined) tables.set(name, [index]);
    else indexes.push(index);
  });
  return tables;
}

/**
 * The handles of the rules that a transaction has added, from the kernel's answers for each table's first and
 * last one; without the rules of a table if there are more or fewer handles between the two than rules.
 */
export function addedHandles(
  operations: readonly RuleOperation[],
  echoed: readonly { readonly family: number; readonly table: string; readonly handle: number }[],
): Map<RuleAddition, number> {
  const handles = new Map<RuleAddition, number>();
  for (const [name, indexes] of additionsByTable(operations)) {
    const own = echoed.filter(({ family, table }) => `${family} ${table}` === name);
    const first = own[0]?.handle;
    if (first === undefined || (own.at(-1)?.handle ?? first) - first !== indexes.length - 1)
      continue;
    indexes.forEach((index, offset) => {
      const operation = operations[index];
      if (operation?.op === 'add') handles.set(operation, first + offset);
    });
  }
  return handles;
}
