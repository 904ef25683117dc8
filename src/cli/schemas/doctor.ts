/** What `tsbridge doctor` answers. */
import {
  amount,
  type DocumentSchema,
  type ItemOf,
  lines,
  list,
  object,
  string,
  stringOrNull,
} from './schema.js';

const finding = object({
  code: string,
  severity: { enum: ['error', 'warning', 'notice'] },
  /** What the finding is about: a network, an interface, a port, a rule, or `this host`. */
  object: string,
  evidence: string,
  means: string,
  command: string,
  /** The code of the finding that causes this one; null: no other finding does. */
  followsFrom: stringOrNull,
});

export type DoctorItem = ItemOf<typeof finding>;

export const doctorSchema: DocumentSchema = {
  about: 'What is wrong on this host: one item for each finding, errors first.',
  item: finding,
  more: {
    checks: object({ done: amount, notDone: list(object({ code: string, needs: lines })) }),
  },
  names: true,
};
