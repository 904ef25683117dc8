import fc from 'fast-check';
import t from 'tap';
import {
  attribute,
  errnoOf,
  flag,
  formatRequest,
  group,
  nested,
  parseFrames,
  readAttributes,
  readNested,
  readText,
  readU8,
  readU32,
  text,
  u8,
  u16Be,
  u32,
} from '../../../src/codec/netlink/netlink-message.js';

const hex = (bytes: Buffer) => bytes.toString('hex');

t.test('numbers and text become netlink attributes', async (t) => {
  t.equal(hex(u8(255)), 'ff');
  t.equal(hex(u16Be(5353)), '14e9');
  t.equal(hex(u32(1400)), '78050000');
  t.equal(hex(text('lo')), '6c6f00');
});

t.test('attributes are padded, and their length is without the padding', async (t) => {
  t.equal(hex(attribute(3, text('vhost'))), '0a00030076686f7374000000');
  t.equal(hex(attribute(4, u32(1))), '0800040001000000');
  t.equal(hex(group(18, attribute(1, u8(7)))), '0c0012000500010007000000');
  t.equal(hex(nested(18, attribute(1, u8(7)))), '0c0012800500010007000000', 'marked as nested');
});

t.test('a netlink message has the bytes that ip writes', async (t) => {
  const request = { type: 18, flags: flag.ack, body: Buffer.from('00ff', 'hex') };
  t.equal(hex(formatRequest(request, 0x6b00eaea)), '1200000012000500eaea006b0000000000ff');
});

t.test('netlink attributes that were written are read with the same values', async (t) => {
  const entry = fc.tuple(fc.integer({ min: 0, max: 0x3fff }), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ([type]) => type }), (entries) => {
      const bytes = Buffer.concat(entries.map(([type, value]) => attribute(type, value)));
      const read = readAttributes(bytes);
      t.equal(read.size, entries.length);
      for (const [type, value] of entries) t.same(read.get(type), Buffer.from(value));
    }),
    { numRuns: 50 },
  );
});

t.test('any bytes are read as netlink attributes without an exception', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const buffer = Buffer.from(bytes);
      for (const value of readAttributes(buffer).values()) {
        if (value.length > buffer.length) throw new Error('longer than what it was read from');
      }
      parseFrames(buffer);
    }),
  );
  t.pass('without an exception, and in finite time');
});

t.test('netlink attributes are read by type, and none if they are absent', async (t) => {
  const attributes = readAttributes(
    Buffer.concat([
      attribute(1, u32(7)),
      attribute(2, text('name')),
      attribute(3, Buffer.from('bare')),
      attribute(4, u8(9)),
      nested(5, attribute(6, u8(1))),
    ]),
  );
  t.equal(readU32(attributes, 1), 7);
  t.equal(readU32(attributes, 4), undefined, 'too short');
  t.equal(readU32(attributes, 99), undefined);
  t.equal(readText(attributes, 2), 'name');
  t.equal(readText(attributes, 3), 'bare', 'without a zero byte');
  t.equal(readText(attributes, 99), undefined);
  t.equal(readU8(attributes, 4), 9);
  t.equal(readU8(attributes, 99), undefined);
  t.equal(readU8(readNested(attributes, 5), 6), 1);
  t.equal(readNested(attributes, 99).size, 0);
});

t.test('the netlink messages of a datagram are told apart', async (t) => {
  const acknowledgement = formatRequest({ type: 2, flags: 0, body: u32(0) }, 5);
  const failure = formatRequest({ type: 2, flags: 0, body: Buffer.from('efffffff', 'hex') }, 6);
  const [first, second, ...others] = parseFrames(Buffer.concat([acknowledgement, failure]));
  if (first === undefined || second === undefined) throw new Error('two messages are missing');
  t.equal(others.length, 0);
  t.match(first, { type: 2, sequence: 5 });
  t.equal(errnoOf(first.body), 0);
  t.equal(errnoOf(second.body), 17, 'EEXIST');
  t.equal(errnoOf(Buffer.alloc(0)), 0, 'a DONE without an error');
  const odd = formatRequest({ type: 3, flags: 0, body: u8(1) }, 7);
  const padded = Buffer.concat([odd, Buffer.alloc(3), acknowledgement]);
  t.same(
    parseFrames(padded).map((frame) => frame.sequence),
    [7, 5],
  );
  t.same(parseFrames(acknowledgement.subarray(0, -1)), [], 'what is cut off is left out');
});
