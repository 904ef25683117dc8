/** Which events a reader wants, and how one is written: `GET /v1/events?since=…&kind=…&not=…&follow=true`. */
import { DriverError } from '../../core/errors.js';
import { didYouMean } from '../../core/nearest.js';
import { type Event, type EventKind, eventKinds } from '../../driver/telemetry.js';
import type { EventRing, Gap, Recorded } from './ring.js';

export interface EventQuery {
  /** An id (what follows it), or a time of RFC 3339 (from then on). undefined: all, or with `follow` none. */
  readonly since?: string | undefined;
  readonly follow: boolean;
  /** undefined: all kinds. */
  readonly kinds?: readonly string[] | undefined;
  readonly not?: readonly string[] | undefined;
}

/** @throws {DriverError} `bad-request` for a word that is no kind */
export function wantedBy({ kinds = [], not = [] }: EventQuery): (event: Event) => boolean {
  for (const word of [...kinds, ...not]) {
    if (isKind(word)) continue;
    const hint = didYouMean(word, eventKinds, (kind) => kind);
    const all = eventKinds.join(', ');
    throw new DriverError(
      'bad-request',
      `${JSON.stringify(word)} is no kind of event${hint}: ${all}`,
    );
  }
  const some = new Set(kinds);
  const none = new Set(not);
  return ({ kind }) => (some.size === 0 || some.has(kind)) && !none.has(kind);
}

function isKind(word: string): word is EventKind {
  return (eventKinds as readonly string[]).includes(word);
}

/** @throws {DriverError} `bad-request` */
export function cursorOf(ring: EventRing, { since, follow }: EventQuery): number {
  if (since === undefined) return follow ? ring.last : ring.oldest;
  if (/^\d{1,16}$/.test(since)) return Number(since);
  const time = /^\d{4}-\d\d-\d\dT/.test(since) ? Date.parse(since) : Number.NaN;
  if (!Number.isNaN(time)) return ring.cursorAt(time);
  throw new DriverError(
    'bad-request',
    `${JSON.stringify(since)} is neither the id of an event nor a time such as 2026-11-26T14:03:07Z`,
  );
}

export const eventSchema = 'tsbridge.events/1';

/** One line of the answer. */
export function eventLine({ id, at, event }: Recorded): string {
  const { kind, ...rest } = event;
  const fields = { schema: eventSchema, at: new Date(at).toISOString(), id, kind, ...rest };
  return `${JSON.stringify(fields)}\n`;
}

/** Told in place of what is gone. */
export function gapLine({ of, from, to }: Gap, now = new Date()): string {
  const at = now.toISOString();
  return `${JSON.stringify({ schema: eventSchema, at, kind: 'gap', of, from, to })}\n`;
}

/** Whether a gap concerns a reader who wants these events only. */
export function concerns({ of }: Gap, wanted: (event: Event) => boolean): boolean {
  if (of === 'all') return true;
  const calls = wanted({ kind: 'call', method: '', durationMs: 0, code: 'ok' });
  if (of === 'call') return calls;
  return eventKinds.some((kind) => kind !== 'call' && wanted({ kind } as Event));
}
