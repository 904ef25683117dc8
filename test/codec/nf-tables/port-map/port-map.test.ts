/** Our table in the kernel's bytes: what is written is read back, and whatever differs is found. */
import fc from 'fast-check';
import t from 'tap';
import {
  flag,
  messagesIn,
  readAttributes,
  readText,
} from '../../../../src/codec/netlink/netlink-message.js';
import { mapBatch } from '../../../../src/codec/nf-tables/port-map/batch.js';
import {
  elementList,
  elementsRequest,
  isIntact,
  type MapPart,
  parsePart,
  structureRequests,
} from '../../../../src/codec/nf-tables/port-map/dump.js';
import { readElements, shapeOf } from '../../../../src/codec/nf-tables/port-map/elements.js';
import { addressFromBytes, type Family } from '../../../../src/core/address.js';
import { type Element, elementText } from '../../../../src/core/port-map/elements.js';
import type { MapChange } from '../../../../src/core/port-map/plan.js';
import { setNames } from '../../../../src/core/port-map/table.js';

interface Sent {
  readonly event: number;
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

const sent = (family: Family, change: MapChange): Sent[] => {
  const { bytes, last } = mapBatch(family, change);
  const messages = [...messagesIn(bytes)].map(({ start, end, type, flags, sequence }) => ({
    ...{ event: type & 0xff, type, flags, sequence },
    body: bytes.subarray(start, end),
  }));
  const acknowledged = messages.filter(({ flags }) => (flags & flag.ack) !== 0);
  t.strictSame(
    acknowledged.map(({ sequence }) => sequence),
    [last],
    'the last one alone is acknowledged',
  );
  return messages.slice(1, -1);
};

/** The elements of such messages. */
const elementsIn = (family: Family, messages: readonly Sent[]): string[] =>
  messages.flatMap(({ event, body }) => {
    if (event !== 12 && event !== 14) return [];
    const name = readText(readAttributes(body.subarray(4)), 2);
    const shape = shapeOf(setNames.find((each) => each === name) ?? 'ports', family);
    if (shape === undefined) return [];
    const list = elementList(0x0a0c, body);
    return readElements(list, shape, family).map(elementText);
  });

const address = (family: Family) =>
  fc
    .uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 })
    .map((bytes) => addressFromBytes(bytes) as string);
const port = fc.integer({ min: 1, max: 65_535 });
const protocol = fc.constantFrom(6, 17, 132);
const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,14}$/);
const element = (family: Family): fc.Arbitrary<Element> => {
  const key = fc.tuple(address(family), protocol, port);
  return fc.oneof(
    fc.record({
      set: fc.constant('ports' as const),
      key,
      data: fc.tuple(address(family), port),
    }),
    fc.record({ set: fc.constant('bridges' as const), key: fc.tuple(name) }),
    fc.record({ set: fc.constant('inside' as const), key: fc.tuple(name, protocol, port) }),
    fc.record({
      set: fc.constant('itself' as const),
      key: fc.tuple(address(family), address(family)),
    }),
  );
};

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: elements, both ways`, (t) => {
    fc.assert(
      fc.property(fc.array(element(family)), (elements) => {
        const wanted = elements.map(elementText).sort();
        const made = sent(family, { op: 'make', elements });
        t.strictSame(elementsIn(family, made).sort(), wanted);
        if (elements.length === 0) return;
        const removed = sent(family, { op: 'change', add: [], remove: elements });
        const keys = elements.map(({ set, key }) => elementText({ set, key })).sort();
        t.strictSame(elementsIn(family, removed).sort(), keys, 'removed by key');
      }),
      { numRuns: 30 },
    );
    t.end();
  });

  t.test(`IPv${family}: the table that is made is intact, and no other`, (t) => {
    const made = sent(family, { op: 'make', elements: [] });
    t.strictSame(
      made.slice(0, 3).map(({ event }) => event),
      [0, 2, 0],
      'one that may be there goes in the same transaction',
    );
    // A dump has the same attributes, and more.
    const parts = made.slice(2).flatMap(({ type, body }) => parsePart(type, body) ?? []);
    t.ok(isIntact(family, parts));
    for (const [at, part] of parts.entries()) {
      t.notOk(isIntact(family, parts.toSpliced(at, 1)), `without ${part.kind}`);
      t.notOk(isIntact(family, [...parts, part]), `with ${part.kind} twice`);
    }
    const rules = parts.filter((part) => part.kind === 'rule');
    const changed = (expressions: readonly Buffer[]): MapPart[] =>
      parts.map((part) => (part === rules[0] ? { ...part, expressions } : part));
    const first = rules[0]?.expressions ?? [];
    t.notOk(isIntact(family, changed(first.slice(1))));
    for (const [at, expression] of first.entries()) {
      const other = Buffer.from(expression);
      const last = other.findLastIndex((byte) => byte !== 0);
      other.writeUInt8(other.readUInt8(last) ^ 1, last);
      t.notOk(isIntact(family, changed(first.with(at, other))), `expression ${at} differs`);
      const more = Buffer.concat([expression, Buffer.from([8, 0, 99, 0, 0, 0, 0, 1])]);
      t.ok(isIntact(family, changed(first.with(at, more))), 'an attribute that is not known');
      t.notOk(isIntact(family, changed(first.with(at, Buffer.from([1, 2, 3])))));
    }
    t.notOk(isIntact(family, [{ kind: 'table', dormant: true }, ...parts.slice(1)]));
    const former = parts.map((part) =>
      'words' in part ? { ...part, words: part.words.replace(' -99 ', ' -100 ') } : part,
    );
    t.notOk(isIntact(family, former), 'a chain has another priority');
    t.notOk(isIntact(family, []));
    t.end();
  });

  t.test(`IPv${family}: the table goes, whether it is there or not`, (t) => {
    const events = sent(family, { op: 'remove' }).map(({ event }) => event);
    t.strictSame(events, [0, 2]);
    t.end();
  });
}

t.test('more elements than one message takes', (t) => {
  const elements = Array.from({ length: 1_201 }, (_, at): Element => {
    return { set: 'ports', key: ['0.0.0.0', 6, at + 1], data: ['10.0.0.2', 80] };
  });
  const messages = sent(4, { op: 'change', add: elements, remove: [] });
  t.equal(messages.length, 3);
  t.strictSame(elementsIn(4, messages), elements.map(elementText));
  t.end();
});

t.test('a removed key comes back with other data in the same transaction', (t) => {
  const leading = (to: string): Element => {
    return { set: 'ports', key: ['0.0.0.0', 6, 80], data: [to, 80] };
  };
  const change = {
    op: 'change',
    add: [leading('10.0.0.3')],
    remove: [leading('10.0.0.2')],
  } as const;
  t.strictSame(
    sent(4, change).map(({ event }) => event),
    [14, 12],
  );
  t.end();
});

t.test('what belongs to others, and what is not understood', (t) => {
  const other = Buffer.concat([
    Buffer.from([2, 0, 0, 0]),
    Buffer.from([8, 0, 1, 0]),
    Buffer.from('nat\0'),
  ]);
  t.equal(parsePart(0x0a00, other), undefined);
  const [table] = sent(4, { op: 'make', elements: [] }).slice(2);
  t.equal(parsePart(0x0a63, table?.body ?? Buffer.alloc(0)), undefined);
  t.equal(elementList(0x0a03, Buffer.alloc(4)), undefined);
  t.strictSame(readElements(Buffer.from([4, 0, 1, 0]), shapeOf('ports', 4) as never, 4), []);
  t.equal(shapeOf('loopback', 6), undefined);
  t.strictSame(
    [...structureRequests(6), elementsRequest(6, 'ports')].map(({ type, body }) => [type, body[0]]),
    [1, 10, 4, 7, 13].map((event) => [0x0a00 + event, 10]),
  );
  t.end();
});

t.test('a name of sixteen bytes, and a map of a stranger without data', (t) => {
  const bridges = shapeOf('bridges', 4);
  const value = Buffer.concat([Buffer.from([20, 0, 1, 0]), Buffer.from('x'.repeat(16))]);
  const key = Buffer.concat([Buffer.from([24, 0, 1, 0x80]), value]);
  const list = Buffer.concat([Buffer.from([28, 0, 1, 0x80]), key]);
  t.strictSame(bridges && readElements(list, bridges, 4), [
    { set: 'bridges', key: ['x'.repeat(16)] },
  ]);
  t.end();
});
