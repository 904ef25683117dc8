/**
 * Events for one reader. It holds a cursor and no queue: while the reader is slow nothing is kept for it, and
 * what the ring has dropped meanwhile is told as a gap.
 */
import { concerns, cursorOf, type EventQuery, eventLine, gapLine, wantedBy } from './query.js';
import type { EventRing } from './ring.js';

/** So many events are written as one piece. */
const pageSize = 100;

/**
 * Text to write, in pieces; each is asked for when the one before was taken. With `follow` it ends when
 * `ended` says so.
 *
 * @throws {DriverError} `bad-request`, before the first piece
 */
export function eventText(
  ring: EventRing,
  query: EventQuery,
  ended: AbortSignal,
): AsyncGenerator<string, void> {
  const wanted = wantedBy(query);
  let cursor = cursorOf(ring, query);
  async function* pieces(): AsyncGenerator<string, void> {
    while (!ended.aborted) {
      const page = ring.after(cursor, pageSize, wanted);
      cursor = page.cursor;
      const told = page.gaps.filter((gap) => concerns(gap, wanted));
      const text = [...told.map((gap) => gapLine(gap)), ...page.events.map(eventLine)].join('');
      if (text !== '') yield text;
      if (page.more) continue;
      if (!query.follow) return;
      // Nothing can come in between: the ring is added to by code that runs in other turns of the event loop.
      if (ring.last <= cursor) await nextEvent(ring, ended);
    }
  }
  return pieces();
}

/** Resolves at the next event or the end. */
function nextEvent(ring: EventRing, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stop();
      ended.removeEventListener('abort', done);
      resolve();
    };
    const stop = ring.onEvent(done);
    ended.addEventListener('abort', done);
    if (ended.aborted) done();
  });
}
