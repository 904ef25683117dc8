/** Finds the text of a rule by its handle: iptables prints texts without handles, the kernel lists handles without texts. */

import type { RuleTable } from '../explain/chains/rule-table.js';
import type { Hook } from '../explain/path/hooks.js';
import type { TraceEvent } from './event.js';

/** A rule as iptables-save or nft prints it. */
export interface ListedRule {
  /** Position in its chain, from 1. */
  readonly number: number;
  /** Text of the rule as iptables-save or nft prints it, without the chain. */
  readonly text: string;
}

/** The rules of each chain (key: `ip filter FORWARD`) by their handles. */
export type RulesByHandle = ReadonlyMap<string, ReadonlyMap<bigint, ListedRule>>;

export const chainKey = ({
  family,
  table,
  chain,
}: Pick<TraceEvent, 'family' | 'table' | 'chain'>) => `${family} ${table} ${chain}`;

/** The handles of each chain (key: `ip filter FORWARD`), from top to bottom. */
export type HandlesOfChains = ReadonlyMap<string, readonly bigint[]>;

/**
 * Pairs the rules that iptables-nft prints with the handles that the kernel lists, by their positions. A chain with a
 * different number of either is left out: the two were not read at one moment, or iptables cannot print some of its rules.
 */
export function rulesByHandle(
  tables: readonly RuleTable[],
  handles: HandlesOfChains,
): RulesByHandle {
  const found = new Map<string, ReadonlyMap<bigint, ListedRule>>();
  for (const { family, name, variant, chains } of tables) {
    if (variant !== 'nft') continue;
    for (const { name: chain, rules } of chains.values()) {
      const key = chainKey({ family: family === 4 ? 'ip' : 'ip6', table: name, chain });
      const numbers = handles.get(key) ?? [];
      if (numbers.length !== rules.length) continue;
      const listed = rules.map(
        ({ number, text }, at) => [numbers[at] ?? 0n, { number, text }] as const,
      );
      found.set(key, new Map(listed));
    }
  }
  return found;
}

/** What was read of the rules at one moment. */
export interface Listing {
  /** The kernel's generation at that moment. */
  readonly generation: number;
  readonly rules: RulesByHandle;
  /** The tables' own handles (key: `ip filter`). A table that was made anew has another one, and its rules' handles begin anew. */
  readonly tables: ReadonlyMap<string, bigint>;
  /** The hooks of base chains (key: `ip filter FORWARD`). */
  readonly hooks: ReadonlyMap<string, Hook>;
}

/**
 * The rule that a report names; undefined if that is not certain.
 *
 * @param before the listing that was read before the packet came
 * @param after the listing that was read after it; the same object if no rule has changed since
 */
export function ruleOf(event: TraceEvent, before: Listing, after: Listing): ListedRule | undefined {
  const { handle, family, table } = event;
  if (handle === undefined) return undefined;
  const own = `${family} ${table}`;
  if (before !== after && before.tables.get(own) !== after.tables.get(own)) return undefined;
  const key = chainKey(event);
  return before.rules.get(key)?.get(handle) ?? after.rules.get(key)?.get(handle);
}
