import t from 'tap';
import { listCountersRequest, parseCounters } from '../../../src/codec/netlink/link-counters.js';
import { attribute, text, u32 } from '../../../src/codec/netlink/netlink-message.js';

const newLink = 16;

t.test('a link with its counters and the other end of its pair', (t) => {
  const stats = Buffer.alloc(24 * 8);
  for (const [index, value] of [7n, 8n, 900n, 1000n, 0n, 0n, 5n, 6n].entries()) {
    stats.writeBigUInt64LE(value, index * 8);
  }
  const body = Buffer.concat([
    Buffer.alloc(16),
    attribute(3, text('veth1')),
    attribute(4, u32(1450)),
    attribute(5, u32(2)),
    attribute(23, stats),
  ]);
  t.strictSame(parseCounters(newLink, body), {
    name: 'veth1',
    mtu: 1450,
    peer: 2,
    receivedPackets: 7,
    sentPackets: 8,
    receivedBytes: 900,
    sentBytes: 1000,
    receivedDrops: 5,
    sentDrops: 6,
  });
  const bare = Buffer.concat([Buffer.alloc(16), attribute(23, stats)]);
  t.match(parseCounters(newLink, bare), { name: '', mtu: 0, peer: undefined });
  t.equal(parseCounters(newLink, Buffer.alloc(16)), undefined, 'without counters');
  t.equal(parseCounters(3, body), undefined, 'the end of the dump');
  t.equal(parseCounters(newLink, Buffer.alloc(4)), undefined);
  t.equal(listCountersRequest().body.length, 16, 'no filter that leaves counters out');
  t.end();
});
