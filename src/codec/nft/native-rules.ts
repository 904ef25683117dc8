/** The drop points of a native table, from what `nft -j` and `nft -a` list. */

import type { Counters } from '../../core/explain/chains/rule-table.js';
import type { DropPoint } from '../../core/explain/drops.js';

type Entry = Readonly<Record<string, unknown>>;

/** Objects of `nft -j list …`. */
function objectsIn(json: string): readonly Entry[] {
  const { nftables } = JSON.parse(json) as { nftables?: unknown };
  return Array.isArray(nftables) ? (nftables as readonly Entry[]) : [];
}

export interface NativeTable {
  readonly family: string;
  readonly name: string;
}

/** @param json of `nft -j list tables` */
export function parseNativeTables(json: string): NativeTable[] {
  return objectsIn(json).flatMap(({ table }) => {
    const { family, name } = (table ?? {}) as Entry;
    return typeof family === 'string' && typeof name === 'string' ? [{ family, name }] : [];
  });
}

/**
 * Rules whose own verdict is to drop or to reject, and chains whose policy drops. The policies are without counters,
 * since the kernel keeps none for them.
 *
 * @param json of `nft -j list table …`
 * @param text of `nft -a list table …`: the words of the rules, by their handles
 */
export function parseNativeDropPoints(json: string, text: string): DropPoint[] {
  const words = wordsByHandle(text);
  const positions = new Map<string, number>();
  return objectsIn(json).flatMap(({ chain, rule }): DropPoint[] => {
    if (chain !== undefined) {
      const { family, table, name, policy } = chain as Entry;
      return policy === 'drop' ? [place(family, table, name)] : [];
    }
    if (rule === undefined) return [];
    const { family, table, chain: name, handle, expr } = rule as Entry;
    const number = (positions.get(String(name)) ?? 0) + 1;
    positions.set(String(name), number);
    const expressions = Array.isArray(expr) ? (expr as readonly Entry[]) : [];
    if (!expressions.some((each) => 'drop' in each || 'reject' in each)) return [];
    const counters = countersIn(expressions);
    return [
      {
        ...{ ...place(family, table, name), number },
        rule: words.get(Number(handle)) ?? `handle ${Number(handle)}`,
        ...(counters === undefined ? {} : { counters }),
      },
    ];
  });
}

function place(family: unknown, table: unknown, chain: unknown): DropPoint {
  return {
    variant: 'native',
    ...{ family: String(family), table: String(table), chain: String(chain) },
  };
}

/** A named counter (a string in the JSON) is left out: several rules share it, so it does not tell what this one dropped. */
function countersIn(expressions: readonly Entry[]): Counters | undefined {
  for (const { counter } of expressions) {
    if (typeof counter !== 'object' || counter === null) continue;
    const { packets, bytes } = counter as Entry;
    return { packets: Number(packets), bytes: Number(bytes) };
  }
  return undefined;
}

function wordsByHandle(text: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const [, words = '', handle] of text.matchAll(/^\s*(.*) # handle (\d+)$/gm)) {
    found.set(Number(handle), words.replace(/\bcounter packets \d+ bytes \d+ ?/, '').trim());
  }
  return found;
}
