import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import {
  deleteFlowRequest,
  type FlowFilter,
  listFlowsRequest,
  parseFlow,
  parseTranslatedFlow,
  removeFlowsRequest,
} from '../../../src/codec/netlink/conntrack-messages.js';
import { type Ipv4Address, parseIp } from '../../../src/core/address.js';
import { parsePort } from '../../../src/core/ports/port.js';
import {
  datagramMatcher,
  type FlowSelector,
  flowMatcher,
  planDumps,
  planRemovals,
} from '../../../src/host/netlink/flow-selection.js';

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const ip = (text: string) => known(parseIp(text));
const port = (value: number) => known(parsePort(value));

/** What kernel 6.18 answered for 10.0.0.9:1111 → 10.0.0.1:5353, DNAT to 10.9.0.2:53, UDP. */
const replies = JSON.parse(
  readFileSync(new URL('../../fixtures/netlink-replies.json', import.meta.url), 'utf8'),
) as { flows: { type: number; body: string }[] };
const reply = known(replies.flows[0]);
const body = Buffer.from(reply.body, 'hex');
const flow = known(parseFlow(reply.type, body));

t.test('a tracked connection is parsed from the bytes of the kernel', async (t) => {
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

t.test('a flow of UDP that is translated is read with its first packet', async (t) => {
  t.strictSame(parseTranslatedFlow(reply.type, body), {
    ...{ source: '10.0.0.9', destination: '10.0.0.1', port: 5353, to: '10.9.0.2' },
  });
  t.equal(parseTranslatedFlow(1, body), undefined, 'another type');
  const [to, from] = ['0a090002', '0a000001'].map((hex) => Buffer.from(hex, 'hex'));
  const plain = Buffer.from(body);
  plain.set(from ?? [], plain.indexOf(to ?? ''));
  t.equal(parseTranslatedFlow(reply.type, plain), undefined, 'it goes where it was sent to');
  const tcp = Buffer.from(body.toString('hex').replaceAll('0500010011', '0500010006'), 'hex');
  t.equal(parseTranslatedFlow(reply.type, tcp), undefined, 'of TCP');
  // NLA_F_NESTED | CTA_TUPLE_IP of the first tuple is made an attribute that nobody knows.
  const hidden = Buffer.from(body.toString('hex').replace('14000180', '14000780'), 'hex');
  t.equal(parseTranslatedFlow(reply.type, hidden), undefined, 'without the addresses');
});

t.test('a flow is deleted by its tuple and its id', async (t) => {
  const request = deleteFlowRequest(flow);
  t.match(request, { type: 0x102, flags: 0 }, 'answered only if it fails');
  t.same(request.body.subarray(0, 56), body.subarray(0, 56), 'the header and the tuple');
  t.equal(request.body.length, 56 + 8, 'and CTA_ID');
});

t.test('requests of conntrack carry the filter that the kernel knows', async (t) => {
  const bytes = (filter: FlowFilter) => listFlowsRequest(filter).body.toString('hex');
  t.equal(bytes({ kind: 'family', family: 6 }), '0a000000');
  t.equal(
    bytes({ kind: 'udp-to', family: 4, port: port(5353) }),
    [
      '02000000',
      ...['18000180', '14000280', '0500010011000000', '0600030014e90000'],
      ...['0c001980', '0800010028000000'],
    ].join(''),
  );
  t.match(bytes({ kind: 'udp-to', family: 6, port: port(53) }), /^0a000000/);
  t.equal(
    bytes({ kind: 'udp-from', family: 4, port: port(5353) }),
    [
      '02000000',
      ...['18000180', '14000280', '0500010011000000', '0600020014e90000'],
      ...['0c001980', '0800010018000000'],
    ].join(''),
    'by the source port of the first packet',
  );
  const address = '10.9.0.2' as Ipv4Address;
  t.equal(
    bytes({ kind: 'reply-source', address }),
    ['02000000', '10000280', '0c000180', '080001000a090002', '0c001980', '0800020001000000'].join(
      '',
    ),
  );
  t.equal(
    bytes({ kind: 'reply-destination', address }),
    ['02000000', '10000280', '0c000180', '080002000a090002', '0c001980', '0800020002000000'].join(
      '',
    ),
  );
});

t.test('a flow is matched by container address or by host port', async (t) => {
  const cases: readonly (readonly [readonly FlowSelector[], boolean])[] = [
    [[], false],
    [[{ kind: 'udp-to', family: 4, port: port(5353) }], true],
    [[{ kind: 'udp-to', family: 6, port: port(5353) }], false],
    [[{ kind: 'udp-to', family: 4, port: port(53) }], false],
    [[{ kind: 'container', address: ip('10.9.0.2') }], true],
    [[{ kind: 'container', address: ip('10.0.0.9') }], true],
    [[{ kind: 'container', address: ip('10.0.0.1') }], false],
    [[{ kind: 'container', address: ip('fd00::2') }], false],
  ];
  for (const [selectors, expected] of cases) {
    t.equal(flowMatcher(selectors)(flow), expected, JSON.stringify(selectors));
  }
  const byPort = flowMatcher([{ kind: 'udp-to', family: 4, port: port(5353) }]);
  t.equal(byPort({ ...flow, protocol: 6 }), false, 'TCP');
  t.equal(byPort({ ...flow, destinationPort: undefined }), false);
  const fromPort = flowMatcher([{ kind: 'udp-from', family: 4, port: port(5353) }]);
  t.equal(fromPort(flow), false, 'addressed to it, not sent from it');
  t.equal(fromPort({ ...flow, sourcePort: 5353 }), true);
});

t.test('datagrams without a wanted address are not parsed', async (t) => {
  const has = (...selectors: readonly FlowSelector[]) => datagramMatcher(selectors)(body);
  const container = (text: string): FlowSelector => ({ kind: 'container', address: ip(text) });
  t.equal(has(container('10.9.0.2')), true);
  t.equal(has(container('fd00::2'), container('10.0.0.9')), true);
  t.equal(has(container('10.9.0.3'), container('fd00::2')), false);
  t.equal(has(container('10.9.0.3'), { kind: 'udp-to', family: 4, port: port(1) }), true);
  const many = Array.from({ length: 17 }, (_, index) => container(`10.3.0.${index}`));
  t.equal(has(...many), true, 'so many that parsing takes less time');
});

t.test('one dump, or filtered ones where that is less work', async (t) => {
  const toPort: FlowSelector = { kind: 'udp-to', family: 4, port: port(53) };
  const ipv4: FlowSelector = { kind: 'container', address: ip('10.0.0.2') };
  const ipv6: FlowSelector = { kind: 'container', address: ip('fd00::2') };
  const kinds = (selectors: readonly FlowSelector[], tracked: number) =>
    planDumps(selectors, tracked).map(({ kind }) => kind);
  t.same(kinds([toPort], 1), ['udp-to']);
  t.same(kinds([ipv4], 50), ['family'], 'one walk instead of two');
  t.same(kinds([ipv4], 50_000), ['reply-source', 'reply-destination']);
  t.same(kinds([toPort, ipv4], 50_000), ['udp-to', 'reply-source', 'reply-destination']);
  t.same(kinds([ipv6], 50_000), ['family'], 'the kernel cannot filter by IPv6 addresses');
  t.same(planDumps([ipv6], 50_000), [{ kind: 'family', family: 6 }]);
  t.same(kinds([toPort, ipv6], 50_000), ['udp-to', 'family'], 'each family by itself');
});

t.test('requests that let the kernel remove flows by a filter', async (t) => {
  const toPort = (value: number): FlowSelector => ({
    kind: 'udp-to',
    family: 6,
    port: port(value),
  });
  const ipv4: FlowSelector = { kind: 'container', address: ip('10.0.0.2') };
  const ipv6: FlowSelector = { kind: 'container', address: ip('fd00::2') };
  const kinds = (...selectors: readonly FlowSelector[]) =>
    planRemovals(selectors).removals.map(({ kind }) => kind);
  t.same(kinds(ipv4, toPort(53)), ['reply-source', 'reply-destination', 'udp-to']);
  t.same(planRemovals([ipv4, toPort(53)]).listed, []);
  t.same(kinds(ipv4, ipv6), ['reply-source', 'reply-destination']);
  t.same(planRemovals([ipv4, ipv6]).listed, [ipv6], 'not by IPv6 addresses');
  const many = Array.from({ length: 31 }, (_, index) => toPort(index + 1));
  t.equal(kinds(...many.slice(1)).length, 30);
  t.same(planRemovals(many), { removals: [], listed: many }, 'one dump is less work');
  const request = removeFlowsRequest({ kind: 'udp-to', family: 4, port: port(53) });
  const dump = listFlowsRequest({ kind: 'udp-to', family: 4, port: port(53) });
  t.equal(request.type, 0x102);
  t.same(request.body, dump.body);
});

t.test('any bytes are parsed as a flow or refused, without an exception', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      parseFlow(reply.type, Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.from(bytes)]));
    }),
  );
  t.pass('without an exception');
});
