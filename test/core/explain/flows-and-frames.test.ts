/** Packets of which not all is known beforehand, and frames that a bridge passes on. */
import t from 'tap';
import type { Packet } from '../../../src/core/explain/packet.js';
import { type Answering, explained, ip, made, packet, wayOf } from './host.js';

t.test('a route that nobody can say ends in what is not known', async (t) => {
  const unknown: Answering = { route: () => ({ to: 'unknown', words: 'which way a hash takes' }) };
  const ends = [packet(), made()].map((of) => explained('', of, unknown).alternatives[0]?.end);
  t.strictSame(ends, [
    { kind: 'unknown', words: 'which way a hash takes' },
    { kind: 'unknown', words: 'which way a hash takes' },
  ]);
});

t.test('whether a flow is there already may be unknown', async (t) => {
  const { alternatives } = explained('', { ...packet(), known: 'unknown' });
  t.match(alternatives, [
    { assumptions: [{ rule: 'conntrack', holds: true }], end: { kind: 'host' } },
    { assumptions: [{ rule: 'conntrack', holds: false }], end: { kind: 'unknown' } },
  ]);
});

t.test(
  'a frame that a bridge passes on is not routed, unless it gets another address',
  async (t) => {
    const near = { destination: ip('172.20.0.3'), inInterface: 'br0' };
    const frame = { ...packet(near), bridged: true } as const;
    const rules =
      '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -i br0 -o br0 -m ttl --ttl-eq 64 -j DROP\nCOMMIT';
    t.strictSame(wayOf(explained(rules, frame)), [
      'tracking new',
      'filter FORWARD 1 drop',
      '= dropped',
    ]);
    t.strictSame(wayOf(explained('', frame)), ['tracking new', '= sent']);
    const nat =
      '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DNAT --to-destination 192.0.2.9\nCOMMIT';
    t.match(wayOf(explained(nat, frame)), ['tracking new', /nat/, 'route to interface', '= sent']);
  },
);

t.test(
  'of a frame, it is known that a bridge passes it on, and by which ports it does not',
  async (t) => {
    const near = { destination: ip('172.20.0.3'), inInterface: 'br0' };
    const frame = { ...packet(near), bridged: true } as const;
    const dropped = (match: string, of: Packet, answering: Answering = {}) =>
      explained(
        `*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD ${match} -j DROP\nCOMMIT`,
        of,
        answering,
      )
        .alternatives.map(({ end }) => end.kind)
        .join();
    t.equal(dropped('-m physdev --physdev-is-bridged', frame), 'dropped');
    t.equal(dropped('-m physdev --physdev-is-out', frame), 'dropped');
    t.equal(dropped('-m physdev --physdev-is-in', frame), 'dropped');
    t.equal(dropped('-m physdev --physdev-in veth1', frame), 'dropped,sent');
    const shown: Answering = { bridged: () => true };
    t.equal(
      dropped('-m physdev --physdev-is-bridged', packet({ destination: ip('172.20.0.3') }), shown),
      'sent',
    );
  },
);

t.test(
  'chains that a goto leads round are given up: the kernel loads none, but a bundle may have them',
  async (t) => {
    const chains = '*filter\n:INPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n';
    const { alternatives } = explained(`${chains}-A INPUT -g A\n-A A -g B\n-A B -g A`, packet());
    t.match(alternatives[0]?.end, { kind: 'unknown', words: /without end/ });
  },
);
