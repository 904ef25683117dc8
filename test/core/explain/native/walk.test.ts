/** A packet's way through the chains of native tables, as `nft -jn` lists them. */
import t from 'tap';
import { explainedBy, nativeTable, packet, packet6, wayOf } from '../host.js';

const accept = { accept: null };
const drop = { drop: null };
const jump = (target: string) => ({ jump: { target } });
const goTo = (target: string) => ({ goto: { target } });
const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } });
const port = { payload: { protocol: 'tcp', field: 'dport' } };
const mark = { meta: { key: 'mark' } };
const flowMark = { ct: { key: 'mark' } };
const set = (key: unknown, value: unknown) => ({ mangle: { key, value } });
const way = (...of: Parameters<typeof explainedBy>) => wayOf(explainedBy(...of));
const decided = (statement: unknown, of = packet()) => {
  const chains = { in: { at: 'input 0', policy: 'drop' as const, rules: [[statement, accept]] } };
  return explainedBy([nativeTable(chains)], of).alternatives;
};

t.test('chains, by jump, goto and return, and the policy', (t) => {
  const table = nativeTable({
    in: { at: 'input 0', policy: 'drop', rules: [[jump('one')], [goTo('two')], [accept]] },
    one: { rules: [[match(port, 80), { return: null }], [drop]] },
    two: {
      rules: [
        [{ counter: { packets: 3, bytes: 4 } }, { log: {} }],
        [{ continue: null }],
        [jump('one')],
      ],
    },
  });
  const explanation = explainedBy([table], packet());
  t.strictSame(wayOf(explanation), [
    'tracking new',
    'route to host',
    'inet my in 1 jump one',
    'inet my one 1 return',
    'inet my in 2 goto two',
    'inet my two 1 continue',
    'inet my two 2 continue',
    'inet my two 3 jump one',
    'inet my one 1 return',
    'inet my in end drop',
    '= dropped',
  ]);
  const stages = explanation.alternatives[0]?.stages.at(-1);
  t.match(stages, {
    variant: 'native',
    steps: [{}, {}, {}, { counters: { packets: 3, bytes: 4 } }],
  });
  t.end();
});

t.test('a goto of the base chain ends in its policy; other chains come back', (t) => {
  const table = nativeTable({
    in: { at: 'input 0', rules: [[jump('a')], [goTo('a')], [drop]] },
    a: {},
  });
  t.strictSame(way([table], packet()).slice(2), [
    'inet my in 1 jump a',
    'inet my a end return',
    'inet my in 2 goto a',
    'inet my in end accept',
    '= host',
  ]);
  t.end();
});

t.test('what a program decides, or nobody here knows', (t) => {
  const words = (statement: unknown) => {
    const [first] = decided(statement);
    return first?.end.kind === 'unknown' ? first.end.words : first?.end.kind;
  };
  t.equal(words({ queue: { num: 1 } }), 'a program reads the packet from a queue and decides');
  t.equal(words({ xt: null }), 'statement xt of “handle 100” decides');
  t.equal(words(jump('gone')), 'chain gone could not be read');
  t.equal(words({ vmap: { key: port, data: '@gone' } }), 'map of “handle 100” could not be read');
  t.equal(words({ vmap: { key: port, data: { set: [[80, 5]] } } }), 'the map has 5');
  t.equal(
    words(set({ payload: { protocol: 'ip', field: 'dscp' } }, 1)),
    'what “handle 100” changes is not understood',
  );
  t.equal(words(set(mark, { jhash: {} })), 'the mark that it gives is not understood');
  const loop = nativeTable({
    in: { at: 'input 0', rules: [[jump('a')]] },
    a: { rules: [[jump('a')]] },
  });
  t.match(explainedBy([loop], packet()).alternatives[0]?.end, {
    words: 'the chains call each other without end',
  });
  const early = nativeTable({ pre: { at: 'prerouting -200', rules: [[accept]] } });
  t.match(explainedBy([early], packet()).alternatives[0]?.end, {
    words: 'whether connection tracking looks before table inet my, chain pre cannot be read',
  });
  t.end();
});

t.test('a condition that nobody can know makes two ways', (t) => {
  for (const statement of [
    { limit: { rate: 5, per: 'minute' } },
    set({ 'tcp option': {} }, 1),
    { set: { op: 'add' } },
  ]) {
    const ways = decided(statement);
    t.strictSame(
      ways.map(({ end }) => end.kind),
      ['host', 'dropped'],
      JSON.stringify(statement),
    );
    t.match(ways[0]?.assumptions, [
      { rule: 'inet my in 1', holds: true, dependsOn: [/“handle 100”/] },
    ]);
    const step = ways[0]?.stages.at(-1);
    t.match(step, { steps: [{ assuming: [/handle 100/] }] });
  }
  t.end();
});

t.test('verdict maps', (t) => {
  const entries = {
    set: [
      [22, drop],
      [{ range: [80, 90] }, jump('one')],
    ],
  };
  const more = [{ map: { name: 'named', elem: [[80, goTo('one')]] } }, { map: { name: 'empty' } }];
  const ends = (data: unknown, key: unknown = port) => {
    const chains = {
      in: { at: 'input 0', rules: [[{ vmap: { key, data } }], [drop]] },
      one: { rules: [[accept]] },
    };
    return explainedBy([nativeTable(chains, { more })], packet()).alternatives.map(
      ({ end }) => end.kind,
    );
  };
  t.strictSame(ends(entries), ['host']);
  t.strictSame(ends('@named'), ['host']);
  t.strictSame(ends('@empty'), ['dropped']);
  t.strictSame(ends(entries, { payload: { protocol: 'udp', field: 'dport' } }), ['dropped']);
  t.strictSame(ends(entries, { meta: { key: 'cpu' } }), ['dropped', 'host', 'dropped']);
  t.end();
});

t.test('rejects of one family or protocol alone', (t) => {
  const end = (type: string | undefined, of = packet()) =>
    decided({ reject: { type } }, of)[0]?.end.kind;
  t.strictSame(
    [undefined, 'icmpx', 'icmp', 'tcp reset'].map((type) => end(type)),
    Array(4).fill('rejected'),
  );
  t.strictSame(
    [end('icmpv6'), end('icmp', packet6()), end('tcp reset', packet({ protocol: 17 }))],
    Array(3).fill('dropped'),
  );
  t.equal(end('icmpv6', packet6()), 'rejected');
  t.end();
});

t.test('marks stay as a rule has set them, also if the rest of it does not hold', (t) => {
  const chains = {
    pre: {
      at: 'prerouting -140',
      rules: [
        [set(mark, 3), set(flowMark, mark), match(port, 81), drop],
        [set(mark, { '|': [{ '&': [mark, 1] }, 4] })],
        [set({ meta: { key: 'priority' } }, 1), { 'ct helper': 'ftp' }],
      ],
    },
    in: { at: 'input 0', rules: [[match(mark, 5), match(flowMark, 3), drop]] },
  };
  t.equal(explainedBy([nativeTable(chains)], packet()).alternatives[0]?.end.kind, 'dropped');
  const [invalid] = explainedBy([nativeTable(chains)], packet({ tcpFlags: 1 })).alternatives;
  t.match(invalid?.packet, { mark: 5, flow: 'none' });
  const none = { pre: { at: 'prerouting 0', rules: [[set(mark, flowMark), drop]] } };
  t.equal(
    explainedBy([nativeTable(none)], packet({ tcpFlags: 1 })).alternatives[0]?.end.kind,
    'host',
  );
  t.end();
});

t.test('translations', (t) => {
  const after = (statement: unknown, at: string, of = packet()) => {
    const forward = { route: () => ({ to: 'interface', outInterface: 'eth1' }) as const };
    const [first] = explainedBy(
      [nativeTable({ n: { at, rules: [[statement]] } })],
      of,
      forward,
    ).alternatives;
    const { source, destination, destinationPort } = first?.packet ?? packet();
    return first?.end.kind === 'unknown'
      ? first.end.words
      : `${source} ${destination} ${destinationPort}`;
  };
  const pre = 'nat prerouting -100';
  const post = 'nat postrouting 100';
  t.equal(after({ dnat: { family: 'ip', addr: '10.0.0.1' } }, pre), '198.51.100.9 10.0.0.1 80');
  t.equal(after({ dnat: { addr: '10.0.0.1', port: 8080 } }, pre), '198.51.100.9 10.0.0.1 8080');
  t.equal(after({ dnat: { port: { range: [90, 99] } } }, pre), '198.51.100.9 192.0.2.1 90');
  t.equal(
    after({ dnat: { family: 'ip6', addr: 'fd00::1', port: 1 } }, pre),
    '198.51.100.9 192.0.2.1 80',
  );
  t.equal(
    after({ dnat: { family: 'ip6', addr: 'fd00::1', port: 1 } }, pre, packet6()),
    '2001:db8:9::9 fd00::1 1',
  );
  t.equal(after({ redirect: { port: 8080 } }, pre), '198.51.100.9 192.0.2.1 8080');
  t.equal(after({ redirect: null }, pre), '198.51.100.9 192.0.2.1 80');
  t.equal(
    after({ snat: { addr: '192.0.2.1', flags: ['random'] } }, post),
    '192.0.2.1 192.0.2.1 80',
  );
  t.equal(after({ masquerade: null }, post), '192.0.2.1 192.0.2.1 80');
  t.equal(after({ dnat: { addr: { map: {} } } }, pre), 'map of “handle 100” could not be read');
  for (const statement of [
    { dnat: { addr: '10.0.0.1', port: { map: {} } } },
    { redirect: { port: { range: [1, 9] }, flags: 'random' } },
  ]) {
    t.equal(after(statement, pre), 'the translation of “handle 100” is not understood');
  }
  t.end();
});
