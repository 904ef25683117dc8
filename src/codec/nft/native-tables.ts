/** Reads a native table from the two listings that nft prints of it. */

import type { Counters } from '../../core/explain/chains/rule-table.js';
import type {
  Base,
  NativeChain,
  NativeRule,
  NativeTable,
  Statement,
} from '../../core/explain/native/native-table.js';
import { hooks } from '../../core/explain/path/hooks.js';
import { fieldsOf, type Json, listOf, readElement, readEntry } from './native-expressions.js';
import { readStatement } from './native-statements.js';
import { readChainListing } from './nft-list.js';

const families = ['ip', 'ip6', 'inet'] as const;

/**
 * undefined for a table of a family whose hooks no routed packet passes, and for a listing that is not one.
 *
 * @param json of `nft -jn list table …`: numbers for names
 * @param text of `nft -a list table …`: the words of the rules, by their handles
 */
export function readNativeTable(json: string, text: string): NativeTable | undefined {
  const objects = listOf(fieldsOf(JSON.parse(json)).nftables).map(fieldsOf);
  const head = fieldsOf(objects.find(({ table }) => table !== undefined)?.table);
  const { family: of, name } = head;
  const isDormant = [head.flags].flat().includes('dormant');
  const family = families.find((each) => each === of);
  if (family === undefined || typeof name !== 'string') return undefined;
  const words = readChainListing(text);
  const rules = new Map<unknown, NativeRule[]>();
  for (const { rule } of objects) {
    if (rule === undefined) continue;
    const { chain, handle, expr } = fieldsOf(rule);
    const before = rules.get(chain) ?? [];
    const quoted = words.get(BigInt(Number(handle)))?.text;
    before.push(readRule(before.length + 1, Number(handle), listOf(expr), quoted));
    rules.set(chain, before);
  }
  const chains = objects.flatMap(({ chain }): [string, NativeChain][] => {
    if (chain === undefined) return [];
    const { base, ...read } = readChain(fieldsOf(chain));
    // The kernel enters no chain of a dormant table.
    const entered = base === undefined || isDormant ? {} : { base };
    return [[read.name, { ...read, ...entered, rules: rules.get(read.name) ?? [] }]];
  });
  return {
    variant: 'native',
    family,
    name,
    chains: new Map(chains),
    sets: new Map(objects.flatMap(({ set }) => elementsOf(set, readElement))),
    maps: new Map(objects.flatMap(({ map }) => elementsOf(map, readEntry))),
  };
}

function elementsOf<T>(json: unknown, read: (element: unknown) => T): [string, T[]][] {
  if (json === undefined) return [];
  const { name, elem } = fieldsOf(json);
  return [[String(name), listOf(elem).map(read)]];
}

const types = ['filter', 'nat', 'route'] as const;

function readChain({ name, type, hook, prio, policy }: Json): Omit<NativeChain, 'rules'> {
  const at = hooks.find((each) => each === String(hook).toUpperCase());
  const kind = types.find((each) => each === type);
  const base: Base | undefined =
    at === undefined || kind === undefined
      ? undefined
      : { type: kind, hook: at, priority: Number(prio) };
  return {
    name: String(name),
    policy: policy === 'drop' ? 'drop' : 'accept',
    ...(base === undefined ? {} : { base }),
  };
}

function readRule(
  number: number,
  handle: number,
  expressions: readonly unknown[],
  text = `handle ${handle}`,
): NativeRule {
  const statements = expressions.flatMap((each): Statement[] => {
    const statement = readStatement(each, text);
    return statement === undefined ? [] : [statement];
  });
  const counters = countersIn(expressions);
  return { number, handle, text, statements, ...(counters === undefined ? {} : { counters }) };
}

/** A named counter is one of several rules together: it says nothing of this one. */
function countersIn(expressions: readonly unknown[]): Counters | undefined {
  for (const expression of expressions) {
    const { packets, bytes } = fieldsOf(fieldsOf(expression).counter);
    if (packets !== undefined) return { packets: Number(packets), bytes: Number(bytes) };
  }
  return undefined;
}
