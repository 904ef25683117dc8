import t from 'tap';
import { attribute, nested, text } from '../../../../src/codec/netlink/netlink-message.js';
import { readTraceEvent } from '../../../../src/codec/nf-tables/tracing/nft-trace.js';

const number = (type: number, value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return attribute(type, bytes);
};
const handle = Buffer.alloc(8);
handle.writeBigUInt64BE(7n);
/** struct nfgenmsg */
const head = (family: number) => Buffer.from([family, 0, 0, 0]);
const traceType = 0xa11;

t.test('a rule that a packet matched', async (t) => {
  const body = Buffer.concat([
    head(2),
    attribute(1, text('filter')),
    attribute(2, text('FORWARD')),
    attribute(3, handle),
    number(4, 3),
    nested(5, number(1, -3), attribute(2, text('DOCKER-USER'))),
    number(6, 0x27df518f),
  ]);
  t.strictSame(readTraceEvent(traceType, body), {
    id: 0x27df518f,
    family: 'ip',
    table: 'filter',
    chain: 'FORWARD',
    kind: 'rule',
    handle: 7n,
    verdict: 'jump',
    to: 'DOCKER-USER',
    mark: 0,
  });
});

t.test('a policy', async (t) => {
  const body = Buffer.concat([head(1), number(4, 1), number(16, 1)]);
  t.strictSame(readTraceEvent(traceType, body), {
    id: 0,
    family: 'inet',
    table: '',
    chain: '',
    kind: 'policy',
    verdict: 'accept',
    mark: 0,
  });
});

t.test('headers, interfaces, and a packet that goes to a queue', async (t) => {
  const network = Buffer.from('4500003c00004000400600000a000001c0000201', 'hex');
  const transport = Buffer.from('9c401f90000000000000000050020000', 'hex');
  const body = Buffer.concat([
    head(2),
    ...[number(4, 3), attribute(3, handle), nested(5, number(1, 0x10003))],
    ...[attribute(8, network), attribute(9, transport), number(10, 3), number(12, 4)],
    number(14, 5),
  ]);
  t.match(readTraceEvent(traceType, body), {
    verdict: 'queue',
    ...{ in: 3, out: 4, mark: 5 },
    headers: { source: '10.0.0.1', destinationPort: 8080, tcpFlags: 2 },
  });
  const unknown = Buffer.concat([head(2), number(4, 3), nested(5, number(1, -9))]);
  t.equal(readTraceEvent(traceType, unknown)?.verdict, undefined);
  t.equal(readTraceEvent(traceType, Buffer.concat([head(2), number(4, 2)]))?.kind, 'return');
  t.equal(
    readTraceEvent(traceType, Buffer.concat([head(2), number(4, 1), number(16, 0)]))?.verdict,
    'drop',
  );
});

t.test('other messages', async (t) => {
  t.equal(readTraceEvent(0xa06, head(2)), undefined);
  t.equal(readTraceEvent(traceType, Buffer.alloc(2)), undefined);
  t.equal(readTraceEvent(traceType, Buffer.concat([head(99), number(4, 1)])), undefined);
  t.equal(readTraceEvent(traceType, Buffer.concat([head(2), number(4, 9)])), undefined);
});
