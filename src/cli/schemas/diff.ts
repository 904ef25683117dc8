/** What `tsbridge diff` answers. */
import { type DocumentSchema, type ItemOf, lines, object, string, stringOrNull } from './schema.js';

const diffItem = object({
  concern: string,
  family: { enum: [4, 6, null] },
  table: stringOrNull,
  chain: stringOrNull,
  lines,
});
export type DiffItem = ItemOf<typeof diffItem>;

export const diffSchema: DocumentSchema = {
  about: 'What differs: one item for each chain, and one for each other kind of thing.',
  item: diffItem,
};
