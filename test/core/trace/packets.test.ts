import t from 'tap';
import { type IpAddress, parseIp } from '../../../src/core/address.js';
import type { PacketHeaders, TraceEvent } from '../../../src/core/trace/event.js';
import { quietMs, TracedPackets } from '../../../src/core/trace/packets.js';
import { type HookOf, placed } from '../../../src/core/trace/placing.js';

const own = 'tsbridge-trace-7';
const ip = (text: string) => parseIp(text) as IpAddress;
const headers = (destination = '192.0.2.1'): PacketHeaders => ({
  ...{ family: 4, protocol: 6, source: ip('198.51.100.1'), destination: ip(destination) },
  ...{ sourcePort: 40_000, destinationPort: 80, tcpFlags: 2 },
});
const event = (table: string, chain: string, more: Partial<TraceEvent> = {}): TraceEvent => ({
  ...{
    id: 1,
    family: table === own ? 'inet' : 'ip',
    table,
    chain,
    kind: 'policy',
    verdict: 'accept',
  },
  mark: 0,
  ...more,
});
const marks = (chain = 'marked', more: Partial<TraceEvent> = {}) =>
  event(own, chain, {
    kind: 'rule',
    handle: 2n,
    verdict: 'continue',
    in: 3,
    headers: headers(),
    ...more,
  });
const rule = (table: string, chain: string, verdict: string) =>
  event(table, chain, { kind: 'rule', handle: 9n, verdict });

/** What becomes of the events, read one each millisecond. */
function packetsOf(...events: TraceEvent[]) {
  return packetsBy(() => undefined, ...events);
}
function packetsBy(hookOf: HookOf, ...events: TraceEvent[]) {
  const packets = new TracedPackets(own);
  for (const [at, each] of events.entries()) packets.add(each, at);
  return packets.ended(events.length, true).map((each) => placed(each, hookOf));
}
const passes = (hook: string, more: Partial<TraceEvent> = {}) => [
  event(own, `${hook}-start`, more),
  event(own, `${hook}-end`, more),
];

t.test('a packet that is sent on', async (t) => {
  const [packet, ...others] = packetsOf(
    marks(),
    event(own, 'marked', { kind: 'rule', verdict: 'continue' }),
    event(own, 'prerouting-start'),
    event('nat', 'DOCKER'),
    event(own, 'prerouting-end', { headers: headers('172.20.0.2') }),
    event(own, 'forward-start', { out: 4 }),
    event('filter', 'FORWARD'),
    event('tsbridge-trace-8', 'forward-end'),
    event(own, 'forward-end'),
    ...passes('postrouting'),
  );
  t.strictSame(others, []);
  t.match(packet, { reply: false, in: 3, out: 4, at: 0, end: { kind: 'sent' } });
  t.equal(packet?.first?.destination, '192.0.2.1');
  t.equal(packet?.last?.destination, '172.20.0.2');
  const steps = packet?.steps.map(({ hook, event: { table } }) => `${hook} ${table}`);
  t.strictSame(steps, ['PREROUTING nat', 'FORWARD filter']);
});

t.test('where packets end', async (t) => {
  const ends = (...events: TraceEvent[]) => packetsOf(marks(), ...events).map(({ end }) => end);
  t.match(ends(...passes('prerouting'), ...passes('input')), [{ kind: 'host' }]);
  t.match(ends(...passes('prerouting')), [
    { kind: 'lost', after: { hook: 'PREROUTING', at: 'end' } },
  ]);
  t.match(ends(event(own, 'forward-start'), rule('filter', 'FORWARD', 'drop')), [
    { kind: 'dropped', step: { hook: 'FORWARD' } },
  ]);
  t.match(ends(event(own, 'forward-start'), rule('filter', 'X', 'queue')), [{ kind: 'queued' }]);
  t.match(ends(event(own, 'forward-start'), rule('filter', 'X', 'stolen')), [{ kind: 'queued' }]);
  t.match(
    ends(event(own, 'forward-start'), rule('filter', 'X', 'queue'), event('filter', 'FORWARD')),
    [{ kind: 'lost', after: { hook: 'FORWARD', at: 'start' } }],
    'the program has let it go on',
  );
});

t.test('rules that the kernel asks behind the last chain of a hook', async (t) => {
  const [packet] = packetsOf(
    marks(),
    event(own, 'forward-end'),
    event('filter', 'INPUT'),
    event('x', 'y'),
  );
  t.strictSame(
    packet?.steps.map(({ hook }) => hook),
    ['INPUT', 'INPUT'],
  );
});

t.test('hooks of steps, where the trace has chains at the ends of hooks only', async (t) => {
  const hooks = new Map([
    ['my forward-one', 'FORWARD'],
    ['my late', 'POSTROUTING'],
  ] as const);
  const hookOf: HookOf = ({ table, chain }) => hooks.get(`${table} ${chain}` as 'my late');
  const end = (hook: string) => event(own, `${hook}-end`);
  const seen = (...events: TraceEvent[]) => {
    const [packet] = packetsBy(hookOf, marks(), end('prerouting'), ...events);
    return [...(packet?.steps ?? []).map(({ hook }) => hook), packet?.end] as const;
  };
  const through = [event('my', 'forward-one'), event('my', 'jumped'), event('my', 'late')];
  t.strictSame(seen(...through, event('nat', 'MASQ'), end('postrouting')), [
    ...['FORWARD', 'FORWARD', 'POSTROUTING', 'POSTROUTING'],
    { kind: 'sent' },
  ]);
  t.strictSame(
    seen(event('my', 'forward-one'), event('my', 'jumped')),
    ['FORWARD', 'FORWARD', { kind: 'lost', after: { hook: 'FORWARD', at: 'start' } }],
    'by something that the kernel does not report',
  );
  t.match(seen(rule('my', 'jumped', 'drop')), ['INPUT', { kind: 'dropped' }], 'made meanwhile');
  t.match(seen(event('my', 'new', { out: 4 }), end('postrouting')), ['FORWARD', { kind: 'sent' }]);
  const here = packetsBy(hookOf, marks('marked', { out: 4 }), end('output'), event('my', 'new'));
  t.match(here, [{ steps: [{ hook: 'POSTROUTING' }], end: { kind: 'lost' } }]);
  t.match(
    packetsOf(
      marks(),
      event(own, 'forward-start'),
      rule('filter', 'X', 'queue'),
      end('postrouting'),
    ),
    [{ end: { kind: 'sent' } }],
    'the program has let it go on',
  );
});

t.test('packets of others are not told of', async (t) => {
  const foreign = event('tsbridge-trace-8', 'marked', { kind: 'rule', handle: 2n });
  t.strictSame(packetsOf(foreign, event('filter', 'FORWARD'), ...passes('forward')), []);
});

t.test('a number is used again', async (t) => {
  const packets = packetsOf(
    marks(),
    event(own, 'forward-start'),
    rule('filter', 'FORWARD', 'drop'),
    // Somebody else's.
    event('filter', 'FORWARD'),
    marks('marked', { headers: headers('192.0.2.7') }),
    ...passes('input'),
  );
  t.match(packets, [
    { end: { kind: 'dropped' }, steps: [{}] },
    { end: { kind: 'host' }, first: { destination: '192.0.2.7' } },
  ]);
});

t.test('answers', async (t) => {
  t.match(packetsOf(marks('answers'), ...passes('input')), [{ reply: true }]);
  t.match(packetsOf(marks(), event('raw', 'PREROUTING'), marks('answers'), ...passes('input')), [
    { reply: true, at: 0 },
  ]);
  t.match(packetsOf(marks(), ...passes('prerouting'), marks('answers')), [
    { reply: false },
    { reply: true },
  ]);
});

t.test('a packet of the host itself', async (t) => {
  const [packet] = packetsOf(
    marks('marked', { out: 4 }),
    event('nat', 'OUTPUT'),
    ...passes('postrouting'),
  );
  t.match(packet, { steps: [{ hook: 'OUTPUT' }], end: { kind: 'sent' } });
});

t.test('a frame that a bridge hands up has another number', async (t) => {
  const up = (id: number, more: Partial<TraceEvent> = {}) =>
    event(own, 'forward-start', { id, headers: headers(), ...more });
  const through = [marks(), ...passes('prerouting', { headers: headers() })];
  t.match(packetsOf(...through, up(2), event('filter', 'FORWARD', { id: 2 })), [
    { steps: [{ hook: 'FORWARD' }] },
  ]);
  t.match(
    packetsOf(...through, up(2, { headers: headers('192.0.2.9') })),
    [{ steps: [] }],
    'another packet',
  );
  t.match(packetsOf(marks(), up(2)), [{ end: { after: { hook: 'PREROUTING' } } }], 'not there yet');
  t.match(packetsOf(...through, event(own, 'forward-end', { id: 2 })), [{ end: { kind: 'lost' } }]);
});

t.test('a packet is over when nothing is heard of it', async (t) => {
  const packets = new TracedPackets(own);
  packets.add(marks(), 0);
  packets.add(event(own, 'prerouting-start'), 10);
  t.strictSame(packets.ended(quietMs), []);
  t.equal(packets.ended(quietMs + 10).length, 1);
  t.strictSame(packets.ended(1_000, true), [], 'each is told once');
});
