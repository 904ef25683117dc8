/** In which order the kernel asks native chains and those of iptables. */
import t from 'tap';
import { readTables } from '../../../../src/codec/iptables/iptables-words.js';
import { readNativeTable } from '../../../../src/codec/nft/native-tables.js';
import { describe } from '../../../../src/core/explain/describe.js';
import { commonEnd, refusedAnyway } from '../../../../src/core/explain/explain.js';
import { explainedBy, ip, made, nativeTable, packet, wayOf } from '../host.js';

const accept = { accept: null };
const drop = { drop: null };
const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } });
const mark = { meta: { key: 'mark' } };
const set = (key: unknown, value: unknown) => ({ mangle: { key, value } });
const iptables = (text: string) => readTables(text.trim().split('\n'), 4, 'nft');
const way = (...of: Parameters<typeof explainedBy>) => wayOf(explainedBy(...of));

t.test(
  'chains of type nat: by their own priorities, at one place, until one has translated',
  (t) => {
    const to = (addr: string) => [{ dnat: { addr } }];
    const table = nativeTable({
      late: { at: 'nat prerouting -90', rules: [to('10.0.0.2')] },
      early: { at: 'nat prerouting -110', rules: [to('10.0.0.1')] },
      between: {
        at: 'prerouting -95',
        rules: [[match({ ct: { key: 'status' } }, 32, 'in'), accept]],
      },
    });
    t.strictSame(way([table], packet()).slice(0, 3), [
      'tracking new',
      'inet my early 1 translate',
      'inet my between 1 accept',
    ]);
    t.end();
  },
);

const filter = (rule: string) => iptables(`*filter\n:INPUT ACCEPT [0:0]\n${rule}\nCOMMIT`);

t.test('an accept is one of its chain; the next one of the hook can still drop', (t) => {
  const table = nativeTable({ in: { at: 'input 10', policy: 'drop' } }, { family: 'ip' });
  t.strictSame(way([...filter('-A INPUT -j ACCEPT'), table], packet()).slice(2), [
    'filter INPUT 1 accept',
    'ip my in end drop',
    '= dropped',
  ]);
  t.equal(
    way([nativeTable({ in: { at: 'input 10', policy: 'drop' } }, { family: 'ip6' })], packet()).at(
      -1,
    ),
    '= host',
  );
  t.end();
});

t.test('chains of one priority: their order is a condition where it makes a difference', (t) => {
  const dropping = nativeTable({ in: { at: 'input 0', rules: [[drop]] } });
  const marking = nativeTable(
    { in: { at: 'input 0', rules: [[set(mark, 1)]] } },
    { name: 'marks' },
  );
  const one = explainedBy([...filter('-A INPUT -j ACCEPT'), dropping], packet());
  t.strictSame(wayOf(one).slice(2), ['filter INPUT 1 accept', 'inet my in 1 drop', '= dropped']);
  t.equal(one.alternatives.length, 1);
  const both = explainedBy([...filter('-A INPUT -j DROP'), dropping], packet());
  t.strictSame(
    both.alternatives.map(({ end, assumptions }) => [end, assumptions]),
    [true, false].map((holds) => [
      {
        kind: 'dropped',
        hook: 'INPUT',
        ...(holds ? { table: 'filter', variant: 'nft' } : { table: 'inet my', variant: 'native' }),
      },
      [
        {
          rule: 'table filter (iptables-nft)',
          dependsOn: ['the kernel asks it before table inet my, chain in, of the same priority'],
          holds,
        },
      ],
    ]),
  );
  t.equal(refusedAnyway(both), 'dropped');
  t.equal(describe(both, packet(), 'hooks').at(-1), 'DROPPED in each of these ways.');
  const byMark = explainedBy([...filter('-A INPUT -m mark --mark 0x1 -j DROP'), marking], packet());
  t.equal(commonEnd(byMark), undefined);
  t.strictSame(
    byMark.alternatives.map(({ end }) => end.kind),
    ['host', 'dropped'],
  );
  const three = explainedBy([...filter('-A INPUT -j DROP'), dropping, marking], packet());
  t.ok(three.alternatives.length >= 3);
  t.end();
});

t.test('of chains of type nat and one priority, one that translates decides in any order', (t) => {
  const nat = iptables('*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j RETURN\nCOMMIT');
  const table = nativeTable({
    pre: { at: 'nat prerouting -100', rules: [[{ dnat: { addr: '10.0.0.1' } }]] },
  });
  const { alternatives } = explainedBy([...nat, table], packet());
  t.equal(alternatives.length, 1);
  t.equal(alternatives[0]?.packet.destination, '10.0.0.1');
  const mixed = nativeTable(
    { pre: { at: 'prerouting -100', rules: [[accept]] } },
    { name: 'other' },
  );
  t.equal(explainedBy([table, mixed], packet()).alternatives.length, 2);
  t.end();
});

t.test('a mark of a chain of type route leads elsewhere, one of type filter does not', (t) => {
  const routes = {
    route: (question: { mark: number }) =>
      ({ to: 'interface', outInterface: `eth${question.mark}` }) as const,
  };
  const sent = (at: string) => {
    const table = nativeTable({ out: { at, rules: [[set(mark, 1)]] } });
    return explainedBy([table], made({ destination: ip('203.0.113.1') }), routes).alternatives[0]
      ?.end;
  };
  t.strictSame(sent('route output 0'), { kind: 'sent', outInterface: 'eth1' });
  t.strictSame(sent('filter output 0'), { kind: 'sent', outInterface: 'eth0' });
  t.end();
});

t.test('tables that no routed packet meets', (t) => {
  const listing = (head: unknown) => JSON.stringify({ nftables: [{ table: head }] });
  t.equal(readNativeTable(listing({ family: 'bridge', name: 'b' }), ''), undefined);
  t.equal(readNativeTable('{}', ''), undefined);
  const dormant = nativeTable({ in: { at: 'input 0', policy: 'drop' } }, { flags: ['dormant'] });
  t.equal(way([dormant], packet()).at(-1), '= host');
  const ingress = nativeTable({ in: { at: 'ingress 0', policy: 'drop' } });
  t.equal(way([ingress], packet()).at(-1), '= host');
  t.end();
});
