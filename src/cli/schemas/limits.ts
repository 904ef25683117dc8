/** What `tsbridge set` answers. */
import type { LimitedEndpoint } from '../../operator/limit-setting.js';
import {
  amount,
  type DocumentSchema,
  type ItemOf,
  object,
  string,
  stringOrNull,
} from './schema.js';

const limit = {
  anyOf: [object({ rate: amount, burst: amount }), { type: 'null' }],
} as const;

/**
 * Rates in bits per second, bursts in bytes: `down` limits what the container receives, `up` what it sends; null: no
 * limit.
 */
export const limitsObject = object({ down: limit, up: limit });

const limited = object({
  endpoint: string,
  container: stringOrNull,
  network: object({ id: string, name: stringOrNull }),
  limits: limitsObject,
});

export const setSchema: DocumentSchema = {
  about: 'What each container that was meant is limited to now.',
  item: limited,
};

/** Compiles only if the type of the daemon's answer fits the schema. */
type Holds<_Answer extends Described, Described> = true;
export type CheckedLimits = Holds<LimitedEndpoint, ItemOf<typeof limited>>;
