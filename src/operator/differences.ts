/** Desired against observed, in such a form that it can be shown beside what is there. */
import type { Family } from '../core/address.js';
import type { RuleChange } from '../core/rules/rule-set.js';
import type { Concern } from '../driver/repair/concerns/concern.js';
import type { World } from '../driver/world.js';

/** One change of rules, as JSON; `text` and `position` (from 0) as far as the kind of change has them. */
export interface RuleDifference {
  readonly op: RuleChange['op'];
  readonly table: string;
  readonly chain: string;
  readonly text?: string;
  readonly position?: number;
}

/** `GET /v1/differences`. */
export interface Differences {
  readonly rules: readonly {
    readonly family: Family;
    readonly changes: readonly RuleDifference[];
  }[];
  /** Of the map of ports, links, limits, routes, settings, zones and ports: a line each, by the concern's name. */
  readonly others: readonly { readonly concern: string; readonly lines: readonly string[] }[];
}

/** @throws {DriverError} why recovery failed, or the host could not be read */
export async function differencesOf(
  { rules }: Pick<World, 'rules'>,
  concerns: readonly Pick<Concern, 'name' | 'differences'>[],
  recovered: Promise<void>,
): Promise<Differences> {
  await recovered;
  const families: Differences['rules'][number][] = [];
  for (const family of [4, 6] as const) {
    const { changes } = await rules.repair('nothing', [family]);
    families.push({ family, changes: changes.map(asJson) });
  }
  const others: Differences['others'][number][] = [];
  for (const concern of concerns) {
    if (concern.name === 'rules') continue;
    others.push({ concern: concern.name, lines: await concern.differences() });
  }
  return { rules: families, others };
}

function asJson(change: RuleChange): RuleDifference {
  if (!('rule' in change)) return { op: change.op, table: change.table, chain: change.chain };
  const { op, rule } = change;
  const { table, chain, text } = rule;
  return { op, table, chain, text, ...(op === 'insert' ? { position: change.position } : {}) };
}
