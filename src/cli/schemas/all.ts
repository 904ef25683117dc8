/** The schemas of all documents that commands print with `--json`; docs/schema/ has them as files. */

import { connectivitySchema } from './connectivity.js';
import { forgetSchema, reconcileSchema, statusSchema } from './daemon.js';
import { diagsSchema } from './diags.js';
import { diffSchema } from './diff.js';
import { doctorSchema } from './doctor.js';
import { dropsSchema } from './drops.js';
import { explainSchema } from './explain.js';
import { gcSchema } from './forgotten.js';
import { findSchema, portsSchema, psSchema, topSchema } from './inventory.js';
import { setSchema } from './limits.js';
import { publishSchema, unpublishSchema } from './publications.js';
import {
  type DocumentSchema,
  lines,
  object,
  type Schema,
  string,
  stringOrNull,
  time,
} from './schema.js';
import { traceSchema } from './trace.js';
import { eventsSchema, healthSchema } from './watching.js';

/** The schemas by what follows `tsbridge.` in a document's `schema`. */
export const schemas = {
  status: statusSchema,
  reconcile: reconcileSchema,
  forget: forgetSchema,
  explain: explainSchema,
  doctor: doctorSchema,
  drops: dropsSchema,
  gc: gcSchema,
  diags: diagsSchema,
  set: setSchema,
  publish: publishSchema,
  unpublish: unpublishSchema,
  ports: portsSchema,
  ps: psSchema,
  find: findSchema,
  top: topSchema,
  diff: diffSchema,
  events: eventsSchema,
  health: healthSchema,
  trace: traceSchema,
  'connectivity-test': connectivitySchema,
} as const satisfies Record<string, DocumentSchema>;

export type SchemaName = keyof typeof schemas;
export const schemaNames = Object.keys(schemas) as readonly SchemaName[];

const namesState = object({
  from: { enum: ['docker', 'cache', 'files', 'none'] },
  asOf: stringOrNull,
  stale: { type: 'boolean' },
});

/**
 * The whole schema of a document or, of a stream, of one line. It accepts unknown keys, which later versions may add.
 *
 * @param strict true: it refuses unknown keys, by which tests find keys that are not documented
 */
export function documentSchema(
  name: SchemaName,
  strict = false,
): Readonly<Record<string, unknown>> {
  const whole = closedSchema(name);
  return strict ? whole : opened(whole);
}

function opened(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const text = JSON.stringify(schema, (key, value: unknown) =>
    key === 'additionalProperties' && value === false ? undefined : value,
  );
  return JSON.parse(text) as Readonly<Record<string, unknown>>;
}

function closedSchema(name: SchemaName): Readonly<Record<string, unknown>> {
  const { about, item, more, names, stream }: DocumentSchema = schemas[name];
  const label = { const: `tsbridge.${name}/1` } as const;
  const head = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: `https://tsbridge.example/schema/${name}.json`,
    title: `tsbridge ${name} --json`,
    description: about,
  };
  if (stream === true) {
    const { properties = {}, required = [] } = item as Exclude<Schema, boolean>;
    return {
      ...head,
      type: 'object',
      properties: { schema: label, at: time, ...properties },
      required: ['schema', 'at', ...required],
      additionalProperties: false,
    };
  }
  return {
    ...head,
    ...object({
      schema: label,
      at: time,
      source: { enum: ['daemon', 'records', 'host', 'bundle'] },
      version: string,
      ...(names === true ? { names: namesState } : {}),
      ...more,
      warnings: lines,
      items: { type: 'array', items: item },
    }),
  };
}

/** `protocol`, `container.name`: the names of all values of an item. */
export function keysOfItems(name: SchemaName): string[] {
  return keysOf(schemas[name].item, '');
}

function keysOf(schema: unknown, path: string): string[] {
  const { properties, items, anyOf } = schema as {
    properties?: Readonly<Record<string, unknown>>;
    items?: unknown;
    anyOf?: readonly unknown[];
  };
  if (properties !== undefined) {
    return Object.entries(properties).flatMap(([key, value]) =>
      keysOf(value, path === '' ? key : `${path}.${key}`),
    );
  }
  const inner = [...(items === undefined ? [] : [items]), ...(anyOf ?? [])].flatMap((each) =>
    keysOf(each, path),
  );
  return inner.length === 0 ? [path] : [...new Set(inner)];
}
