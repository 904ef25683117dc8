/** Parts of JSON Schemas, and the type of one. */
import type { FromSchema, JSONSchema } from 'json-schema-to-ts';

export type Schema = JSONSchema;

/** The type of what fits the schema. */
export type ItemOf<S extends Schema> = Immutable<FromSchema<S>>;
type Immutable<T> = T extends readonly (infer Element)[]
  ? readonly Immutable<Element>[]
  : T extends object
    ? // What may be absent may be undefined: JSON leaves it out.
      {
        readonly [Key in keyof T]:
          | Immutable<T[Key]>
          | (T extends Record<Key, T[Key]> ? never : undefined);
      }
    : T;

/** What one kind of document has. */
export interface DocumentSchema {
  /** One sentence: what the document tells. */
  readonly about: string;
  /** One of `items`; for a stream, one line. */
  readonly item: Schema;
  /** Further keys of the document, beside `items`; all are there. */
  readonly more?: Readonly<Record<string, Schema>>;
  /** true: `items` have names of containers and networks, and the document says where they come from. */
  readonly names?: boolean;
  /** true: no document but lines (NDJSON), each an item with `schema` and `at` before its own keys. */
  readonly stream?: boolean;
}

/**
 * All properties are there. For tests there are no others; in the schemas that are given out there may be,
 * since later versions add some: see `documentSchema`.
 */
export function object<const Properties extends Readonly<Record<string, Schema>>>(
  properties: Properties,
) {
  return {
    type: 'object',
    properties,
    // The keys of the object, which TypeScript does not tell from those of objects with more.
    required: Object.keys(properties) as (keyof Properties & string)[],
    additionalProperties: false,
  } as const;
}

export const list = <const Items extends Schema>(items: Items) =>
  ({ type: 'array', items }) as const;
export const string = { type: 'string' } as const;
export const stringOrNull = { type: ['string', 'null'] } as const;
export const boolean = { type: 'boolean' } as const;
/** A number of things, of bytes or of packets; never negative. */
export const amount = { type: 'integer', minimum: 0 } as const;
export const number = { type: 'number' } as const;
/** RFC 3339, UTC. */
export const time = {
  type: 'string',
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$',
} as const;
export const lines = list(string);
