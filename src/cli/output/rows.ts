/** `--filter` and `--sort`: which items are shown, and in which order. */
import { didYouMean } from '../../core/nearest.js';
import type { Kind } from '../table/kinds.js';
import { UsageError } from '../table/parse.js';
import type { Column } from './table.js';

export interface Filter {
  /** Name in the JSON of an item: `protocol`, `container.name`. */
  readonly key: string;
  readonly value: string;
  readonly not: boolean;
}

export const filterKind: Kind<Filter> = {
  accepts: 'KEY=VALUE or KEY!=VALUE, with a name of the JSON output such as container.name',
  placeholder: 'KEY=VALUE',
  parse: (text) => {
    const match = /^([\w.]+?)(!?)=(.*)$/s.exec(text);
    if (match === null) return undefined;
    return { key: match[1] ?? '', not: match[2] === '!', value: match[3] ?? '' };
  },
};

/**
 * Items that one of the filters of each key fits, and none of those with `!=`.
 *
 * @param keys all that there are
 * @throws {UsageError} for a key that there is not
 */
export function filtered<Item>(
  items: readonly Item[],
  filters: readonly Filter[],
  keys: readonly string[],
): readonly Item[] {
  for (const { key } of filters) {
    if (keys.includes(key)) continue;
    const all = `it has ${keys.join(', ')}`;
    throw new UsageError(
      `--filter: the items have no ${JSON.stringify(key)}${didYouMean(key, keys) || `; ${all}`}`,
    );
  }
  const wanted = new Map<string, string[]>();
  for (const { key, value } of filters.filter(({ not }) => !not)) {
    wanted.set(key, [...(wanted.get(key) ?? []), value]);
  }
  const unwanted = filters.filter(({ not }) => not);
  return items.filter(
    (item) =>
      unwanted.every(({ key, value }) => !textsAt(item, key).includes(value)) &&
      [...wanted].every(([key, any]) => {
        const texts = textsAt(item, key);
        return any.some((value) => texts.includes(value));
      }),
  );
}

/** The values below this name, also those in lists, as text; one that is absent or null is ''. */
function textsAt(item: unknown, key: string): string[] {
  const values = key.split('.').reduce<unknown[]>(
    (found, name) =>
      found.flatMap((value) => {
        const inner = (value as Record<string, unknown> | null | undefined)?.[name];
        return Array.isArray(inner) ? inner : [inner];
      }),
    [item],
  );
  return values.map((value) => (value === undefined || value === null ? '' : String(value)));
}

/**
 * @param wish a column's key; with `-` before it, from the largest
 * @throws {UsageError} for a column that there is not
 */
export function sorted<Item>(
  items: readonly Item[],
  wish: string | undefined,
  columns: readonly Column<Item>[],
): readonly Item[] {
  if (wish === undefined) return items;
  const key = wish.replace(/^-/, '');
  const column = columnNamed(columns, key, '--sort');
  const direction = wish.startsWith('-') ? -1 : 1;
  const order = (item: Item) => column.order?.(item) ?? column.cell(item);
  const compare = (a: number | string, b: number | string) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : words.compare(String(a), String(b));
  return items
    .map((item) => ({ item, by: order(item) }))
    .sort((a, b) => direction * compare(a.by, b.by))
    .map(({ item }) => item);
}

/** `veth9` before `veth10`, whatever the machine's language. */
const words = new Intl.Collator('en', { numeric: true });

/** @throws {UsageError} */
export function columnNamed<Item>(
  columns: readonly Column<Item>[],
  key: string,
  flag: string,
): Column<Item> {
  const column = columns.find((each) => each.key === key);
  if (column !== undefined) return column;
  const keys = columns.map((each) => each.key);
  const hint = didYouMean(key, keys) || `; there are ${keys.join(', ')}`;
  throw new UsageError(`${flag}: there is no column ${JSON.stringify(key)}${hint}`);
}
