/** The last events: what is kept, what a reader is given, and what it is told of what is gone. */
import fc from 'fast-check';
import t from 'tap';
import { type Event, eventKinds } from '../../../src/driver/telemetry.js';
import { cursorOf, eventLine, gapLine, wantedBy } from '../../../src/operator/events/query.js';
import { EventRing } from '../../../src/operator/events/ring.js';
import { eventText } from '../../../src/operator/events/stream.js';

const call: Event = { kind: 'call', method: 'NetworkDriver.Join', durationMs: 1, code: 'ok' };
const repair: Event = {
  ...{ kind: 'repair', what: 'rules', by: 'nft (process 7)', programs: ['nft'] },
  ...{ count: 2, first: ['append filter FORWARD -j DOCKER-USER'], durationMs: 130 },
};
const start = 1_795_000_000_000;

function ringOf(events: readonly Event[], capacity = 4) {
  const clock = { time: start };
  const ring = new EventRing(() => clock.time, capacity);
  for (const event of events) {
    clock.time += 1_000;
    ring.add(event);
  }
  return { ring, clock, first: start * 1_000 };
}

t.test('ids go up by one, and those of a later daemon are above', async (t) => {
  const { ring, first } = ringOf([call, repair]);
  const { events, gaps, more } = ring.after(ring.oldest, 10);
  t.strictSame(
    events.map(({ id }) => id - first),
    [1, 2],
  );
  t.strictSame([gaps, more], [[], false]);
  t.ok(new EventRing(() => start + 1_000).last > ring.last);
});

t.test('calls push out no repair, and what is gone is told', async (t) => {
  const { ring, first } = ringOf([repair, ...Array<Event>(9).fill(call), repair]);
  const { events, gaps } = ring.after(ring.oldest, 10);
  t.strictSame(
    events.map(({ id }) => id - first),
    [1, 7, 8, 9, 10, 11],
  );
  t.strictSame(gaps, [{ of: 'call', from: first + 1, to: first + 6 }]);
  t.strictSame(ring.after(first + 6, 10).gaps, [], 'nothing is gone after it');
  const again = ring.after(first + 8, 2);
  t.strictSame(
    again.events.map(({ id }) => id - first),
    [9, 10],
  );
  t.strictSame([again.cursor - first, again.more], [10, true]);
});

t.test('the id of another daemon is a gap, and all follows', async (t) => {
  const { ring, first } = ringOf([repair]);
  for (const cursor of [0, 12, first - 1, first + 2, first * 2]) {
    const { gaps, events } = ring.after(cursor, 10);
    t.strictSame(gaps, [{ of: 'all', from: cursor + 1, to: first }], String(cursor));
    t.equal(events.length, 1);
  }
});

t.test('whatever is read in pages of any size is everything, once, in order', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 60 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 9 }),
      (kinds, most, capacity) => {
        const { ring } = ringOf(
          kinds.map((isCall) => (isCall ? call : repair)),
          capacity,
        );
        const whole = ring.after(ring.oldest, 1_000).events.map(({ id }) => id);
        const read: number[] = [];
        for (let cursor = ring.oldest, more = true; more; ) {
          const page = ring.after(cursor, most);
          read.push(...page.events.map(({ id }) => id));
          ({ cursor, more } = page);
        }
        const kept = Math.min(capacity, kinds.filter(Boolean).length);
        const others = Math.min(capacity, kinds.filter((isCall) => !isCall).length);
        return read.join() === whole.join() && read.length === kept + others;
      },
    ),
  );
});

t.test('a time stands for the first event from then on', async (t) => {
  const { ring, first } = ringOf([call, repair, call]);
  const at = (ms: number) => new Date(start + ms).toISOString();
  const cursor = (since: string) => cursorOf(ring, { since, follow: false }) - first;
  t.strictSame(
    [cursor(at(0)), cursor(at(2_000)), cursor(at(2_500)), cursor(at(9_000))],
    [0, 1, 2, 3],
  );
  t.equal(cursorOf(ring, { since: '77', follow: false }), 77);
  t.equal(cursorOf(ring, { follow: true }) - first, 3, 'who follows begins now');
  t.equal(cursorOf(ring, { follow: false }) - first, 0);
  for (const since of ['yesterday', '-1', '2026-13-45T99:00:00Z', '1'.repeat(20), '']) {
    t.throws(() => cursorOf(ring, { since, follow: false }), { code: 'bad-request' }, since);
  }
});

t.test('kinds are chosen and left out', async (t) => {
  const wanted = (kinds?: string[], not?: string[]) => {
    const holds = wantedBy({ follow: false, kinds, not });
    return eventKinds.filter((kind) => holds({ ...repair, kind } as Event));
  };
  t.strictSame(wanted(), [...eventKinds]);
  t.strictSame(wanted(['call', 'repair']), ['call', 'repair']);
  t.strictSame(wanted(undefined, ['call']), eventKinds.slice(1));
  t.strictSame(wanted(['call', 'repair'], ['call']), ['repair']);
  t.throws(() => wanted(['repairs']), { code: 'bad-request', message: /did you mean repair\?/ });
});

t.test('a line has its schema, id and time first', async (t) => {
  t.equal(
    eventLine({ id: 7, at: start, event: call }),
    '{"schema":"tsbridge.events/1","at":"2026-11-18T11:06:40.000Z","id":7,"kind":"call",' +
      '"method":"NetworkDriver.Join","durationMs":1,"code":"ok"}\n',
  );
  t.equal(
    gapLine({ of: 'call', from: 3, to: 9 }, new Date(start)),
    '{"schema":"tsbridge.events/1","at":"2026-11-18T11:06:40.000Z","kind":"gap","of":"call","from":3,"to":9}\n',
  );
});

t.test('a reader that is slow loses events and is told so; nothing waits for it', async (t) => {
  const { ring } = ringOf([]);
  const ended = new AbortController();
  const lines = eventText(ring, { follow: true }, ended.signal);
  const first = lines.next();
  ring.add(repair);
  t.match((await first).value, /"kind":"repair"/);
  for (let count = 0; count < 10; count += 1) ring.add(repair);
  const text = (await lines.next()).value ?? '';
  t.match(text, /^\{"schema":"tsbridge.events\/1","at":"[^"]*","kind":"gap","of":"other",.*\n/);
  t.equal(text.split('\n').length, 1 + 4 + 1);
  const last = lines.next();
  ended.abort();
  t.strictSame(await last, { done: true, value: undefined });
});

t.test('a gap among calls is not told to who wants no calls', async (t) => {
  const { ring } = ringOf([repair, ...Array<Event>(9).fill(call)]);
  const read = async (query: { kinds?: string[]; not?: string[] }) => {
    const parts: string[] = [];
    const text = eventText(ring, { follow: false, ...query }, new AbortController().signal);
    for await (const part of text) parts.push(part);
    return parts.join('');
  };
  t.notMatch(await read({ not: ['call'] }), /gap/);
  t.match(await read({ kinds: ['call'] }), /^\{[^}]*"gap","of":"call"/);
  const { ring: full } = ringOf(Array<Event>(9).fill(repair));
  const text = eventText(full, { follow: false, kinds: ['call'] }, new AbortController().signal);
  t.strictSame(await text.next(), { done: true, value: undefined });
});
