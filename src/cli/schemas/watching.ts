/** What `tsbridge events` and `tsbridge health` answer. */
import { eventKinds } from '../../driver/telemetry.js';
import type { Check } from '../../operator/health.js';
import {
  amount,
  boolean,
  type DocumentSchema,
  type ItemOf,
  lines,
  number,
  object,
  string,
} from './schema.js';

/** Which keys a line has goes by its kind: docs/events.md. */
const eventLine = {
  type: 'object',
  properties: {
    id: amount,
    kind: { enum: [...eventKinds, 'gap'] },
    method: string,
    network: string,
    endpoint: string,
    durationMs: number,
    code: string,
    what: string,
    by: string,
    programs: lines,
    count: amount,
    first: lines,
    reason: string,
    text: string,
    state: string,
    action: string,
    of: { enum: ['call', 'other', 'all'] },
    from: amount,
    to: amount,
  },
  required: ['kind'],
  additionalProperties: false,
} as const;

export const eventsSchema: DocumentSchema = {
  about: 'What the daemon has done and found: one line each.',
  item: eventLine,
  stream: true,
};

const check = object({
  name: { enum: ['netlink', 'state', 'records', 'proxy'] },
  ok: boolean,
  text: string,
});

export const healthSchema: DocumentSchema = {
  about: 'Whether the daemon serves calls: one item for each check.',
  item: check,
};

type Holds<_Answer extends Described, Described> = true;
export type Checked = Holds<Check, ItemOf<typeof check>>;
