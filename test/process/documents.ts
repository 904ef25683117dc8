/** What commands print with `--json`, held to its schema: keys that the schema does not have are faults. */
import { Ajv, type ValidateFunction } from 'ajv';
import { documentSchema, type SchemaName, schemaNames } from '../../src/cli/schemas/all.js';

const ajv = new Ajv({ strict: true, strictTypes: false, allErrors: true });
const validators = new Map<SchemaName, ValidateFunction>();

function validator(name: SchemaName): ValidateFunction {
  const known = validators.get(name) ?? ajv.compile(documentSchema(name, true));
  validators.set(name, known);
  return known;
}

export type Document = Readonly<Record<string, unknown>> & {
  readonly items: readonly unknown[];
  readonly warnings: readonly string[];
};

/** @throws if the text is no document of a schema that there is, or does not fit it */
export function documentOf(text: string): Document {
  const document = JSON.parse(text) as Document;
  const label = String(document.schema);
  const name = schemaNames.find((each) => label === `tsbridge.${each}/1`);
  if (name === undefined) throw new Error(`no such schema: ${label}`);
  const fits = validator(name);
  if (!fits(document)) throw new Error(`${label}: ${ajv.errorsText(fits.errors)}\n${text}`);
  return document;
}

/** @param Item what the schema says of one */
export function itemsOf<Item = unknown>(text: string): readonly Item[] {
  return documentOf(text).items as readonly Item[];
}

/** The only item. */
export function itemOf<Item>(text: string): Item {
  const [item, ...more] = itemsOf<Item>(text);
  if (item === undefined || more.length > 0) throw new Error(`not one item: ${text}`);
  return item;
}

/** One document a line. */
export function documentsOf(text: string): Document[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(documentOf);
}
