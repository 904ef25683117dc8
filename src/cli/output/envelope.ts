/** The JSON documents of all commands: what is around the items. */
import type { SchemaName } from '../schemas/all.js';

/** Who said it: the daemon, its records on disk, the host itself, or a saved bundle. */
export type Source = 'daemon' | 'records' | 'host' | 'bundle';

/** Where names of containers and networks come from, and of when they are. */
export interface NamesState {
  readonly from: 'docker' | 'cache' | 'files' | 'none';
  /** RFC 3339, UTC; null: there are none. */
  readonly asOf: string | null;
  /** true: the engine could not be asked since. */
  readonly stale: boolean;
}

/** What a command has found out. */
export interface Report<Item> {
  readonly source: Source;
  readonly names?: NamesState;
  /** What could not be found out, and what to know about the rest; a sentence each. */
  readonly warnings: readonly string[];
  /** In an order that is the same next time. */
  readonly items: readonly Item[];
  /** Further keys of the document, beside `items`. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** One document, or one line of a stream: the number in `schema` changes when a reader would have to. */
export function envelope<Item>(
  schema: SchemaName,
  { source, names, warnings, items, more }: Report<Item>,
  version: string,
  now: Date,
): Readonly<Record<string, unknown>> {
  return {
    schema: schemaLabel(schema),
    at: now.toISOString(),
    source,
    version,
    ...(names === undefined ? {} : { names }),
    ...more,
    warnings,
    items,
  };
}

export function schemaLabel(schema: SchemaName): string {
  return `tsbridge.${schema}/1`;
}
