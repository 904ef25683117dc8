/** What ate packets between two readings, whose it is, and the command that tells more. */
import t from 'tap';
import { readTables } from '../../../src/codec/iptables/iptables-words.js';
import { parseNativeDropPoints, parseNativeTables } from '../../../src/codec/nft/native-rules.js';
import { type DropPoint, dropPointsIn, dropsBetween } from '../../../src/core/explain/drops.js';

const reading = (text: string, family: 4 | 6 = 4): DropPoint[] =>
  dropPointsIn(readTables(text.trim().split('\n'), family, 'nft'));
const words = (before: readonly DropPoint[], after: readonly DropPoint[]) =>
  dropsBetween(before, after).map(
    ({ chain, number = 'policy', meanwhile: { packets, bytes }, owner = '?', command }) =>
      `${chain} ${number}: ${packets} packets, ${bytes} bytes; ${owner}; ${command}`,
  );

const first = `
*filter
:INPUT ACCEPT [1:2]
:FORWARD DROP [10:1000]
:OUTPUT DROP [0:0]
:ufw-user-input - [0:0]
:my;chain - [0:0]
[5:50] -A INPUT -j ACCEPT
[5:50] -A INPUT -j DROP
[7:70] -A INPUT -j DROP
[9:90] -A ufw-user-input -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable
[3:30] -A my;chain -j DROP
COMMIT
`;
const second = `
*filter
:INPUT ACCEPT [9:9]
:FORWARD DROP [14:1400]
:OUTPUT DROP [2:20]
:ufw-user-input - [0:0]
:my;chain - [0:0]
[1:1] -A INPUT -s 198.51.100.0/24 -j DROP
[99:999] -A INPUT -j ACCEPT
[5:50] -A INPUT -j DROP
[8:80] -A INPUT -j DROP
[12:120] -A ufw-user-input -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable
[2:20] -A my;chain -j DROP
COMMIT
`;

t.test('rules and policies of iptables', (t) => {
  t.strictSame(
    words(reading(first), reading(second)),
    [
      'FORWARD policy: 4 packets, 400 bytes; ?; tsbridge doctor',
      'ufw-user-input 1: 3 packets, 30 bytes; ufw; ufw status verbose',
      'OUTPUT policy: 2 packets, 20 bytes; ?; iptables-nft -t filter -nvL OUTPUT --line-numbers',
      // Its counters began anew, so that it was written anew.
      "my;chain 1: 2 packets, 20 bytes; ?; iptables-nft -t filter -nvL 'my;chain' --line-numbers",
      'INPUT 1: 1 packets, 1 bytes; ?; iptables-nft -t filter -nvL INPUT --line-numbers',
      'INPUT 4: 1 packets, 10 bytes; ?; iptables-nft -t filter -nvL INPUT --line-numbers',
    ].sort((a, b) => order(a) - order(b)),
  );
  t.strictSame(words(reading(first), reading(first)), []);
  t.match(dropsBetween([], reading(first, 6)), [
    { command: 'tsbridge doctor' },
    { command: /ufw/ },
  ]);
  t.match(reading('*filter\n:FORWARD DROP\n-A FORWARD -j DROP\nCOMMIT'), [{ number: 1 }, {}]);
  t.strictSame(words([], reading('*filter\n:FORWARD DROP\n-A FORWARD -j DROP\nCOMMIT')), []);
  t.end();
});

/** The most packets first; equal ones in the order of the reading, rules before the policy of their chain. */
function order(line: string): number {
  const packets = Number(/: (\d+) packets/.exec(line)?.[1]);
  const places = ['INPUT 1', 'INPUT 4', 'FORWARD', 'OUTPUT', 'ufw', 'my;chain'];
  return -packets * 10 + places.findIndex((place) => line.startsWith(place));
}

t.test('tables of nft', (t) => {
  const rule = (handle: number, expr: unknown, chain = 'f') => ({
    rule: { family: 'inet', table: 'firewalld', chain, handle, expr },
  });
  const json = (packets: number) =>
    JSON.stringify({
      nftables: [
        { metainfo: {} },
        { table: { family: 'inet', name: 'firewalld' } },
        { chain: { family: 'inet', table: 'firewalld', name: 'f', policy: 'drop' } },
        { chain: { family: 'inet', table: 'firewalld', name: 'g', policy: 'accept' } },
        rule(4, [{ match: {} }, { accept: null }]),
        rule(5, [{ match: {} }, { counter: { packets, bytes: 10 * packets } }, { drop: null }]),
        rule(6, [{ counter: 'named' }, { reject: {} }]),
        rule(7, 'no list'),
        rule(9, [{ counter: { packets, bytes: 9 } }, { drop: null }], 'g'),
      ],
    });
  const text = `table inet firewalld { # handle 1
	chain f { # handle 2
		type filter hook forward priority filter; policy drop;
		tcp dport 80 accept # handle 4
		ip saddr 192.0.2.1 counter packets 5 bytes 50 drop comment "drop # handle 5" # handle 5
		counter name "named" reject # handle 6
	}
}
`;
  t.strictSame(parseNativeTables(json(0)), [{ family: 'inet', name: 'firewalld' }]);
  t.strictSame(parseNativeTables('{}'), []);
  const [before, after] = [5, 8].map((packets) => parseNativeDropPoints(json(packets), text));
  t.strictSame(words(before ?? [], after ?? []), [
    'f 2: 3 packets, 30 bytes; firewalld; firewall-cmd --list-all-zones',
    'g 1: 3 packets, 0 bytes; firewalld; firewall-cmd --list-all-zones',
  ]);
  t.match(
    after?.map(({ chain, number, rule: said, counters }) => [
      chain,
      number,
      said,
      counters?.packets,
    ]),
    [
      ['f', undefined, undefined, undefined],
      ['f', 2, 'ip saddr 192.0.2.1 drop comment "drop # handle 5"', 8],
      ['f', 3, 'counter name "named" reject', undefined],
      ['g', 1, 'handle 9', 8],
    ],
  );
  const mine = (after ?? []).map((point) => ({ ...point, table: 'my' }));
  t.equal(dropsBetween([], mine)[0]?.command, 'nft list chain inet my f');
  t.end();
});
