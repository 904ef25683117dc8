import t from 'tap';
import { readRuleText, splitWords } from '../../../src/codec/iptables/iptables-words.js';
import { commonEnd, explain, mostAlternatives } from '../../../src/core/explain/explain.js';
import { Answers, Unanswered } from '../../../src/core/explain/facts.js';
import { some, unknown } from '../../../src/core/explain/truth.js';
import { explained, ip, made, packet, packet6, wayOf } from './host.js';

const published = `
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.20.0.0/16 ! -o br-1 -j MASQUERADE
[12:720] -A DOCKER ! -i br-1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.20.0.2:8080
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o br-1 -j DOCKER
-A DOCKER -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 8080 -j ACCEPT
COMMIT
`;
const toContainer = {
  route: ({ destination }: { destination: string }) =>
    destination.startsWith('172.20.')
      ? ({ to: 'interface', outInterface: 'br-1' } as const)
      : ({ to: 'host' } as const),
};

t.test('a published port, from outside', async (t) => {
  const explanation = explained(published, packet(), toContainer);
  t.strictSame(wayOf(explanation), [
    'tracking new',
    'nat PREROUTING 1 jump DOCKER',
    'nat DOCKER 1 translate',
    'route to interface',
    'filter FORWARD 1 jump DOCKER-USER',
    'filter DOCKER-USER end return',
    'filter FORWARD 3 jump DOCKER',
    'filter DOCKER 1 accept',
    'nat POSTROUTING end accept',
    '= sent',
  ]);
  t.strictSame(commonEnd(explanation), { kind: 'sent', outInterface: 'br-1' });
  const [{ packet: last, stages }] = explanation.alternatives as [
    (typeof explanation.alternatives)[0],
  ];
  t.match(last, { destination: '172.20.0.2', destinationPort: 8080, ttl: 63 });
  const nat = stages.find((stage) => stage.kind === 'table' && stage.table === 'nat');
  t.match(nat, { packetAfter: { flow: { destinationTranslated: true } } });
  t.match(nat, { steps: [{}, { counters: { packets: 12, bytes: 720 }, number: 1 }] });
});

t.test('a port that is not published', async (t) => {
  const direct = packet({ destination: ip('172.20.0.2'), destinationPort: 81 });
  const explanation = explained(published, direct, toContainer);
  t.strictSame(commonEnd(explanation), {
    kind: 'dropped',
    hook: 'FORWARD',
    table: 'filter',
    variant: 'nft',
  });
  t.match(wayOf(explanation).at(-2), 'filter FORWARD end drop');
  const own = explained(published, packet({ destinationPort: 81 }), toContainer);
  t.strictSame(commonEnd(own), { kind: 'host' });
});

t.test('a packet of the host to its own published port is routed again', async (t) => {
  t.strictSame(wayOf(explained(published, made(), toContainer)), [
    'route to host',
    'tracking new',
    'nat OUTPUT 1 jump DOCKER',
    'nat DOCKER 1 translate',
    'route to interface',
    'nat POSTROUTING end accept',
    '= sent',
  ]);
});

t.test('what the host sends to itself comes back, and nat is not asked again', async (t) => {
  const rules = `
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i lo -j CT --notrack
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o lo -j MASQUERADE
*filter
:INPUT ACCEPT [0:0]
-A INPUT -i lo -m conntrack --ctstatus CONFIRMED -j REJECT --reject-with icmp-port-unreachable
`;
  const loop = explained(rules, made({ source: ip('127.0.0.1') }), {
    route: () => ({ to: 'host' }),
  });
  t.strictSame(wayOf(loop), [
    'route to host',
    'tracking new',
    'nat POSTROUTING 1 translate',
    'raw PREROUTING 1 continue',
    'raw PREROUTING end accept',
    'filter INPUT 1 reject',
    '= rejected',
  ]);
});

t.test('packets that are lost on the way', async (t) => {
  const nowhere = { route: () => ({ to: 'nowhere', words: 'there is no route' }) as const };
  t.strictSame(commonEnd(explained('', packet(), nowhere)), {
    kind: 'lost',
    words: 'there is no route',
  });
  t.strictSame(commonEnd(explained('', made(), nowhere)), {
    kind: 'lost',
    words: 'there is no route',
  });
  const away = ip('203.0.113.5');
  const last = explained('', packet({ destination: away, ttl: 1 }));
  t.match(commonEnd(last), { kind: 'lost', words: /time to live/ });
  const marked = explained(
    '*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j MARK --set-xmark 0x1/0x1',
    made({ destination: away }),
    {
      route: ({ mark }) =>
        mark === 1
          ? { to: 'nowhere', words: 'a route prohibits it' }
          : { to: 'interface', outInterface: 'eth1' },
    },
  );
  t.match(commonEnd(marked), { kind: 'lost', words: 'a route prohibits it' });
  const dropped = explained('*filter\n:OUTPUT DROP [0:0]', made({ destination: away }));
  t.match(commonEnd(dropped), { kind: 'dropped', hook: 'OUTPUT' });
  const late = '*mangle\n:POSTROUTING DROP [0:0]';
  t.match(commonEnd(explained(late, made({ destination: away }))), { hook: 'POSTROUTING' });
});

t.test('goto does not come back to where it came from', async (t) => {
  const rules = `
*filter
:INPUT ACCEPT [0:0]
:A - [0:0]
:B - [0:0]
-A INPUT -j A
-A INPUT -g B
-A INPUT -j DROP
-A A -g B
-A A -j DROP
-A B -p udp -j RETURN
-A B -j RETURN
`;
  t.strictSame(wayOf(explained(rules, packet())), [
    'tracking new',
    'route to host',
    'filter INPUT 1 jump A',
    'filter A 1 goto B',
    'filter B 2 return',
    'filter INPUT 2 goto B',
    'filter B 2 return',
    'filter INPUT end accept',
    '= host',
  ]);
  const base =
    '*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp\n-A INPUT -j RETURN\n-A INPUT -j ACCEPT';
  t.strictSame(wayOf(explained(base, packet())).slice(2), [
    'filter INPUT 1 continue',
    'filter INPUT 2 return',
    'filter INPUT end drop',
    '= dropped',
  ]);
});

t.test('chains that call each other are given up', async (t) => {
  const rules = '*filter\n:INPUT ACCEPT [0:0]\n:A - [0:0]\n-A INPUT -j A\n-A A -j A';
  t.match(explained(rules, packet()).alternatives[0]?.end, {
    kind: 'unknown',
    words: /without end/,
  });
});

t.test('every way is followed where something cannot be known', async (t) => {
  const rules = `
*filter
:INPUT DROP [0:0]
-A INPUT -m limit --limit 5/min -j ACCEPT
-A INPUT -m statistic --mode random --probability 0.5 -j ACCEPT
`;
  const explanation = explained(rules, packet());
  const ways = explanation.alternatives.map(({ end, assumptions }) =>
    [...assumptions.map(({ rule, holds }) => `${rule} ${holds}`), end.kind].join(', '),
  );
  t.strictSame(ways, [
    'filter INPUT 1 true, host',
    'filter INPUT 1 false, filter INPUT 2 true, host',
    'filter INPUT 1 false, filter INPUT 2 false, dropped',
  ]);
  t.equal(commonEnd(explanation), undefined, 'it makes a difference');
  t.match(explanation.alternatives[0]?.stages.at(-1), {
    steps: [{ assuming: ['the rate is within the limit (--limit 5/min)'] }],
  });
  const same = explained(`${rules}-A INPUT -j ACCEPT\n`, packet());
  t.match(commonEnd(same), { kind: 'host' }, 'it makes none');
});

t.test('of very many unknown conditions, some are followed, and the result says so', async (t) => {
  const cut = (rule: string, count: number) =>
    explained(`*filter\n:INPUT ACCEPT [0:0]\n${`${rule}\n`.repeat(count)}`, packet());
  // If all forks were kept, the larger of the two would need gigabytes of memory.
  for (const count of [5, 20_000]) {
    const marks = cut('-A INPUT -m limit --limit 5/min -j MARK --set-xmark 0x1/0x1', count);
    t.equal(marks.alternatives.length, mostAlternatives);
    t.ok(marks.cut);
    t.equal(commonEnd(marks), undefined);
  }
  for (const rule of ['-m limit --limit 5/min', '-m limit --limit 5/min -j LOG']) {
    const says = cut(`-A INPUT ${rule}`, 30);
    t.match(says, { alternatives: [{ end: { kind: 'host' } }], cut: false }, rule);
    t.equal(says.alternatives.length, 1, 'it makes no difference to the packet');
    t.match(says.alternatives[0]?.stages.at(-1), {
      steps: [{ outcome: 'continue', assuming: [/the rate is within the limit/] }],
    });
  }
});

t.test('a target that is not known decides nothing', async (t) => {
  for (const target of [
    'NFQUEUE --queue-num 0',
    'QUEUE',
    'TPROXY --on-port 1',
    'SYNPROXY',
    'NEW',
    'constructor',
  ]) {
    const rules = `*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ${target}`;
    const explanation = explained(rules, packet());
    t.match(explanation.alternatives[0]?.end, { kind: 'unknown' }, target);
    t.equal(commonEnd(explanation), undefined);
  }
});

t.test('the simulation goes on when its question is answered', async (t) => {
  t.match(explain([], packet(), new Answers()), { question: { kind: 'route' } });
  t.match(new Unanswered({ kind: 'bridged', family: 4, interface: 'br0' }), { message: /br0/ });
  const broken = new Answers();
  broken.ask = () => {
    throw new TypeError('a fault of the program');
  };
  t.throws(() => explain([], packet(), broken), { name: 'TypeError' });
});

t.test('tables of both variants are asked one after the other', async (t) => {
  const legacy = explained(
    '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP',
    packet(),
    {},
    'legacy',
  );
  t.match(commonEnd(legacy), { kind: 'dropped', variant: 'legacy' });
});

t.test('words of a rule', async (t) => {
  t.strictSame(
    splitWords('-m comment --comment "a \\"b\\" \\\\ -j" -j LOG').map(({ text }) => text),
    ['-m', 'comment', '--comment', 'a "b" \\ -j', '-j', 'LOG'],
  );
  t.strictSame(readRuleText('-m tcp --dport 80 -i eth0'), {
    matches: [
      { module: '', options: [{ flag: '-i', negated: false, values: ['eth0'] }] },
      { module: 'tcp', options: [{ flag: '--dport', negated: false, values: ['80'] }] },
    ],
  });
  t.strictSame(readRuleText('--strange').matches[0]?.module, '');
  t.match(wayOf(explained('-A INPUT -j DROP\n*filter\n-A NONE -j DROP', packet6())), [
    'tracking new',
    'route to host',
    '= host',
  ]);
});

t.test('of several conditions one may be enough', async (t) => {
  t.equal(some([unknown('x'), true]), true);
  t.strictSame(some([unknown('x'), false]), unknown('x'));
  t.equal(some([false]), false);
});
