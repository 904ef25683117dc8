/** What `tsbridge diags` answers. */
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  object,
  string,
  stringOrNull,
} from './schema.js';

const file = object({
  name: string,
  /** The command or the file that it is from. */
  source: string,
  bytes: amount,
  sha256: string,
  /** Values that were left out. */
  withheld: amount,
});

export type DiagsItem = ItemOf<typeof file>;

export const diagsSchema: DocumentSchema = {
  about: 'The files of a bundle, without its manifest.',
  item: file,
  more: { path: stringOrNull, anonymised: boolean },
};
