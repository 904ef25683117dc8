/** Packets of flows that are there already, and answers. */
import t from 'tap';
import { answerTo } from '../../../src/core/explain/answer.js';
import type { Flow, Packet } from '../../../src/core/explain/packet.js';
import { explained, ip, made, packet, wayOf } from './host.js';

const rules = `
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -m conntrack --ctstate INVALID
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.20.0.2:8080
-A POSTROUTING -s 172.20.0.0/16 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -m conntrack --ctdir REPLY --ctorigdst 192.0.2.1 -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED -m conntrack --ctreplsrc 172.20.0.9 -j ACCEPT
-A FORWARD -o br-1 -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -i br-1 -m conntrack --ctstate NEW -j ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED --ctrepldst 192.0.2.1 -j ACCEPT
COMMIT
`;
const toContainer = {
  route: ({ destination }: { destination: string }) =>
    destination.startsWith('172.20.')
      ? ({ to: 'interface', outInterface: 'br-1' } as const)
      : destination === '192.0.2.1'
        ? ({ to: 'host' } as const)
        : ({ to: 'interface', outInterface: 'eth0' } as const),
};

function answerOf(first: Packet): Packet {
  const [way] = explained(rules, first, toContainer).alternatives;
  const answer = way && answerTo(way);
  if (answer === undefined) throw new Error('nothing answers');
  return answer;
}

t.test('the answer of a published port gets the address back that was asked', async (t) => {
  const answer = answerOf(packet());
  t.match(answer, {
    ...{ source: '172.20.0.2', sourcePort: 8080, destination: '198.51.100.9', inInterface: 'br-1' },
    ...{ tcpFlags: 18, flow: 'none', known: { direction: 'reply', destinationTranslated: true } },
  });
  const explanation = explained(rules, answer, toContainer);
  t.strictSame(wayOf(explanation), [
    ...['raw PREROUTING 1 continue', 'raw PREROUTING end accept', 'tracking established'],
    ...['route to interface', 'filter FORWARD 1 accept', 'translation POSTROUTING', '= sent'],
  ]);
  t.match(explanation.alternatives[0]?.packet, { source: '192.0.2.1', sourcePort: 80 });
});

t.test('the answer to a masqueraded packet is for the container again', async (t) => {
  const out = packet({
    ...{ source: ip('172.20.0.2'), destination: ip('203.0.113.7'), inInterface: 'br-1' },
  });
  const answer = answerOf(out);
  t.match(answer, { source: '203.0.113.7', destination: '192.0.2.1', inInterface: 'eth0' });
  const explanation = explained(rules, answer, toContainer);
  t.strictSame(wayOf(explanation).slice(2), [
    ...['tracking established', 'translation PREROUTING', 'route to interface'],
    ...['filter FORWARD 5 accept', '= sent'],
  ]);
  t.match(explanation.alternatives[0]?.packet, { destination: '172.20.0.2' });
});

t.test('this host answers, and echoes are answered by echoes', async (t) => {
  const answer = answerOf(packet({ destinationPort: 22 }));
  t.match(answer, { source: '192.0.2.1', sourcePort: 22, destination: '198.51.100.9' });
  t.notOk('inInterface' in answer);
  t.strictSame(wayOf(explained(rules, answer, toContainer)), [
    ...['route to interface', 'raw OUTPUT end accept', 'tracking established'],
    ...['filter OUTPUT end accept', '= sent'],
  ]);
  const ping = { protocol: 1, icmp: { type: 8, code: 0 }, sourcePort: 7, destinationPort: 0 };
  t.match(answerOf(made({ ...ping, destination: ip('203.0.113.7') })), {
    ...{ icmp: { type: 0, code: 0 }, sourcePort: 7, destinationPort: 0, tcpFlags: 0 },
    inInterface: 'eth0',
  });
});

t.test(
  'nothing answers what is dropped, or not tracked; what is untracked has no flow',
  async (t) => {
    const dropped = explained(rules, packet({ destination: ip('203.0.113.7') }), toContainer);
    t.equal(dropped.alternatives[0] && answerTo(dropped.alternatives[0]), undefined);
    const untracked = explained(
      '*raw\n:PREROUTING ACCEPT\n-A PREROUTING -j CT --notrack',
      packet(),
    );
    const answer = untracked.alternatives[0] && answerTo(untracked.alternatives[0]);
    t.match(answer, { source: '192.0.2.1', destination: '198.51.100.9' });
    t.notOk(answer && 'known' in answer);
  },
);

t.test("a flow of yesterday's container goes on to its address", async (t) => {
  const original = {
    ...{ source: ip('198.51.100.9'), destination: ip('192.0.2.1') },
    ...{ sourcePort: 40_000, destinationPort: 80 },
  };
  const answer = {
    ...{ source: ip('172.20.0.9'), destination: ip('198.51.100.9') },
    ...{ sourcePort: 8080, destinationPort: 40_000 },
  };
  const known: Flow = {
    ...{ state: 'established', direction: 'original', mark: 0, original, answer },
    ...{ sourceTranslated: false, destinationTranslated: true, confirmed: true },
  };
  const explanation = explained(rules, { ...packet(), known }, toContainer);
  t.strictSame(wayOf(explanation).slice(2), [
    ...['tracking established', 'translation PREROUTING', 'route to interface'],
    ...['filter FORWARD 2 accept', '= sent'],
  ]);
  t.match(explanation.alternatives[0]?.packet, {
    destination: '172.20.0.9',
    destinationPort: 8080,
  });
  // On the way out of the host it is routed again.
  const { inInterface: _, ...own } = { ...packet(), known };
  const ways = wayOf(explained(rules, own, toContainer));
  t.strictSame(
    ways.filter((each) => /^(route|translation)/.test(each)),
    [...['route to host', 'translation OUTPUT', 'route to interface']],
  );
});
