/** What has to change in our table: everything, if its chains are not what they should be, else single elements. */
import type { Family } from '../address.js';
import { portMapTable } from '../rules/chains/own-chains.js';
import { type Element, elementText } from './elements.js';

/** What the kernel has; undefined: no table. */
export type ObservedMap =
  | {
      /** true: sets, chains and rules are what they should be. */
      readonly intact: boolean;
      /** By {@link elementText}; none if the table is not intact. */
      readonly elements: ReadonlyMap<string, Element>;
    }
  | undefined;

/** One transaction in one family. */
export type MapChange =
  /** Makes the table with these elements, in place of one that may be there. */
  | { readonly op: 'make'; readonly elements: readonly Element[] }
  | { readonly op: 'remove' }
  | {
      readonly op: 'change';
      readonly add: readonly Element[];
      readonly remove: readonly Element[];
    };

/** @param wanted undefined: no network needs the table. By {@link elementText} */
export function planMap(
  wanted: ReadonlyMap<string, Element> | undefined,
  observed: ObservedMap,
): MapChange | undefined {
  if (wanted === undefined) return observed === undefined ? undefined : { op: 'remove' };
  if (observed?.intact !== true) return { op: 'make', elements: [...wanted.values()] };
  const missing = (some: ReadonlyMap<string, Element>, others: ReadonlyMap<string, Element>) =>
    [...some].flatMap(([text, element]) => (others.has(text) ? [] : [element]));
  const add = missing(wanted, observed.elements);
  const remove = missing(observed.elements, wanted);
  return add.length + remove.length === 0 ? undefined : { op: 'change', add, remove };
}

/** A line for each change, as a repair reports it. */
export function changeLines(family: Family, change: MapChange): string[] {
  const table = `table ${family === 4 ? 'ip' : 'ip6'} ${portMapTable}`;
  if (change.op === 'make') return [`make ${table} (${counted(change.elements)})`];
  if (change.op === 'remove') return [`remove ${table}`];
  const added = change.add.map((element) => `add to ${table}: ${elementText(element)}`);
  const gone = change.remove.map((element) => `remove from ${table}: ${elementText(element)}`);
  return [...added, ...gone];
}

const counted = ({ length }: readonly Element[]): string =>
  length === 1 ? '1 element' : `${length} elements`;
