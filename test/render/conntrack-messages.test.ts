import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { parseIp } from '../../src/core/address.js';
import { parsePort } from '../../src/core/port.js';
import {
  deleteFlowRequest,
  type FlowFilter,
  listFlowsRequest,
  matchesFlow,
  parseFlow,
} from '../../src/render/conntrack-messages.js';

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const ip = (text: string) => known(parseIp(text));
const port = (value: number) => known(parsePort(value));

/** What kernel 6.18 answered for 10.0.0.9:1111 → 10.0.0.1:5353, DNAT to 10.9.0.2:53, UDP. */
const replies = JSON.parse(
  readFileSync(new URL('../fixtures/netlink-replies.json', import.meta.url), 'utf8'),
) as { flows: { type: number; body: string }[] };
const reply = known(replies.flows[0]);
const body = Buffer.from(reply.body, 'hex');
const flow = known(parseFlow(reply.type, body));

t.test('a flow', async (t) => {
  t.match(flow, {
    family: 4,
    protocol: 17,
    destinationPort: 5353,
    replySource: '10.9.0.2',
    replyDestination: '10.0.0.9',
  });
  t.equal(parseFlow(1, body), undefined, 'another type');
  t.equal(parseFlow(reply.type, body.subarray(0, 3)), undefined, 'cut off');
  t.equal(parseFlow(reply.type, body.subarray(0, 56)), undefined, 'no reply tuple');
  t.equal(parseFlow(reply.type, Buffer.concat([Buffer.from([7]), body.subarray(1)])), undefined);
});

t.test('is deleted by its tuple and its id', async (t) => {
  const request = deleteFlowRequest(flow);
  t.match(request, { type: 0x102, flags: 4 });
  t.same(request.body.subarray(0, 56), body.subarray(0, 56), 'the header and the tuple');
  t.equal(request.body.length, 56 + 8, 'and CTA_ID');
});

t.test('filters', async (t) => {
  const attributes = (family: 4 | 6, filter: FlowFilter) =>
    listFlowsRequest(family, filter).body.subarray(4).toString('hex');
  t.equal(attributes(4, { kind: 'all' }), '');
  t.equal(
    attributes(4, { kind: 'udp-to', port: port(5353) }),
    [
      '18000180',
      '14000280',
      '0500010011000000',
      '0600030014e90000',
      '0c001980',
      '0800010028000000',
    ].join(''),
  );
  t.equal(
    attributes(6, { kind: 'udp-to', port: undefined }),
    ['10000180', '0c000280', '0500010011000000', '0c001980', '0800010008000000'].join(''),
  );
  t.equal(
    attributes(4, { kind: 'reply-source', address: ip('10.9.0.2') }),
    ['10000280', '0c000180', '080001000a090002', '0c001980', '0800020001000000'].join(''),
  );
  t.match(
    attributes(6, { kind: 'reply-destination', address: ip('fd00::2') }),
    '14000400fd000000000000000000000000000002',
  );
});

t.test('flows that a kernel sends although they were not asked for', async (t) => {
  const cases: readonly (readonly [FlowFilter, boolean])[] = [
    [{ kind: 'all' }, true],
    [{ kind: 'udp-to', port: undefined }, true],
    [{ kind: 'udp-to', port: port(5353) }, true],
    [{ kind: 'udp-to', port: port(53) }, false],
    [{ kind: 'reply-source', address: ip('10.9.0.2') }, true],
    [{ kind: 'reply-source', address: ip('10.0.0.9') }, false],
    [{ kind: 'reply-destination', address: ip('10.0.0.9') }, true],
    [{ kind: 'reply-destination', address: ip('10.9.0.2') }, false],
    [{ kind: 'reply-source', address: ip('fd00::2') }, false],
    [{ kind: 'reply-destination', address: ip('fd00::2') }, false],
  ];
  for (const [filter, expected] of cases) {
    t.equal(matchesFlow(flow, filter), expected, JSON.stringify(filter));
  }
  t.equal(matchesFlow({ ...flow, protocol: 6 }, { kind: 'udp-to', port: undefined }), false);
});

t.test('any bytes can be parsed', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      parseFlow(reply.type, Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.from(bytes)]));
    }),
  );
  t.pass('without an exception');
});
