/** What rules of nft's own ask of a packet, as `nft -jn` lists them. */
import t from 'tap';
import { newFlow, type Packet } from '../../../../src/core/explain/packet.js';
import { type Answering, explainedBy, ip, made, nativeTable, packet, packet6 } from '../host.js';

const accept = { accept: null };
const match = (left: unknown, right: unknown, op = '==') => ({ match: { op, left, right } });
const meta = (key: string) => ({ meta: { key } });
const ct = (key: string, dir?: string) => ({ ct: { key, ...(dir === undefined ? {} : { dir }) } });
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const fib = (result: string, ...flags: string[]) => ({ fib: { result, flags } });
const prefix = (addr: unknown, len: number) => ({ prefix: { addr, len } });
const range = (...ends: unknown[]) => ({ range: ends });
const set = (...elements: unknown[]) => ({ set: elements });
const concat = (...parts: unknown[]) => ({ concat: parts });

const more = [
  {
    set: {
      name: 'hosts',
      elem: ['203.0.113.1', prefix('198.51.100.0', 24), range('10.0.0.1', '10.0.0.9')],
    },
  },
  { set: { name: 'pairs', elem: [concat(prefix('198.51.100.0', 24), range(80, 90))] } },
  { set: { name: 'empty' } },
];

/** `yes`, `no`, or `?` if it depends. */
function holds(
  statements: readonly unknown[],
  of: Packet = packet(),
  answering: Answering = {},
): string {
  const chains = { in: { at: 'input 0', rules: [[...statements, { drop: null }]] } };
  const { alternatives } = explainedBy([nativeTable(chains, { more })], of, answering);
  if (alternatives.length > 1) return '?';
  return alternatives[0]?.end.kind === 'dropped' ? 'yes' : 'no';
}

/** A packet of a flow that is there already. */
function known(state: 'established' | 'related', assured?: boolean): Packet {
  const of = packet();
  const { assured: _, ...flow } = newFlow(of);
  const sure = assured === undefined ? {} : { assured };
  return { ...of, known: { ...flow, state, confirmed: true, ...sure } };
}

const rows: readonly (readonly [string, unknown, Packet?])[] = [
  ['yes', match(payload('ip', 'saddr'), '198.51.100.9')],
  ['no', match(payload('ip', 'saddr'), '198.51.100.9', '!=')],
  ['no', match(payload('ip', 'daddr'), '198.51.100.9')],
  ['yes', match(payload('ip', 'saddr'), prefix('198.51.100.0', 24))],
  ['yes', match(payload('ip', 'saddr'), set('1.2.3.4', range('198.51.100.1', '198.51.100.9')))],
  ['no', match(payload('ip', 'saddr'), '198.51.100.8', '!='), packet6()],
  ['yes', match(payload('ip6', 'saddr'), prefix('2001:db8:9::', 48)), packet6()],
  ['yes', match(payload('ip', 'saddr'), '@hosts')],
  ['no', match(payload('ip', 'saddr'), '@empty')],
  ['?', match(payload('ip', 'saddr'), '@gone')],
  // A forged bundle may name words under which every JavaScript object inherits something.
  ['?', match(payload('constructor', 'saddr'), 1)],
  ['?', match(payload('ip', 'constructor'), 1)],
  ['?', match(meta('constructor'), 'eth0')],
  ['?', match(ct('constructor', 'original'), 1)],
  ['yes', match(concat(payload('ip', 'saddr'), payload('tcp', 'dport')), '@pairs')],
  ['no', match(concat(payload('ip', 'saddr'), payload('udp', 'dport')), '@pairs', '!=')],
  ['?', match(payload('ip', 'saddr'), '@pairs')],
  ['yes', match(payload('tcp', 'dport'), set(22, range(80, 90)))],
  ['yes', match(payload('tcp', 'dport'), set({ elem: { val: 80, comment: 'x' } }))],
  ['?', match(payload('tcp', 'dport'), set({ elem: { val: 80, limit: {} } }))],
  ['?', match(payload('tcp', 'dport'), range('a', 90))],
  ['no', match(payload('udp', 'dport'), 53, '!=')],
  ['yes', match(payload('th', 'dport'), 80)],
  ['?', match(payload('th', 'dport'), 80), packet({ protocol: 1, icmp: { type: 8, code: 0 } })],
  ['yes', match(payload('tcp', 'dport'), 80, '<=')],
  ['no', match(payload('tcp', 'dport'), 80, '<')],
  ['no', match(payload('tcp', 'dport'), 80, '>')],
  ['yes', match(payload('tcp', 'sport'), 1024, '>=')],
  ['?', match(payload('tcp', 'sport'), 'x', '>=')],
  ['?', match(payload('tcp', 'sport'), 1024, '~')],
  ['yes', match(payload('tcp', 'flags'), [2, 16], 'in')],
  ['no', match(payload('tcp', 'flags'), 2, '!')],
  ['yes', match({ '&': [payload('tcp', 'flags'), [2, 16]] }, 2)],
  ['no', match({ '&': [payload('udp', 'sport'), 1] }, 0)],
  ['?', match({ '&': [meta('iifname'), 1] }, 0)],
  ['?', match({ '&': [meta('mark'), 1, 2] }, 0)],
  ['?', match(payload('tcp', 'flags'), concat(2, 4), 'in')],
  ['?', match(payload('tcp', 'option'), 1)],
  ['?', match({ payload: { base: 'th', offset: 16, len: 16 } }, 80)],
  ['?', match(payload('ah', 'spi'), 80)],
  [
    'yes',
    match(payload('icmp', 'type'), set(0, 8)),
    packet({ protocol: 1, icmp: { type: 8, code: 0 } }),
  ],
  ['yes', match(payload('icmp', 'code'), 0), packet({ protocol: 1, icmp: { type: 8, code: 0 } })],
  ['yes', match(payload('ip', 'dscp'), 8), packet({ tos: 0x20 })],
  ['yes', match(payload('ip', 'protocol'), 6)],
  ['yes', match(payload('ip', 'ttl'), 64)],
  ['yes', match(payload('ip', 'length'), 60)],
  ['yes', match(payload('ip6', 'nexthdr'), 6), packet6()],
  ['yes', match(payload('ip6', 'hoplimit'), 64), packet6()],
  ['yes', match(meta('iifname'), 'eth0')],
  ['yes', match(meta('iifname'), 'eth*')],
  ['no', match(meta('iifname'), 'eth\\*')],
  ['yes', match(meta('iif'), 'eth0')],
  ['?', match(meta('iifname'), 5)],
  ['no', match(meta('oifname'), 'eth0')],
  ['yes', match(meta('oif'), 'eth0', '!=')],
  ['yes', match(meta('l4proto'), set(6, 17))],
  ['yes', match(meta('nfproto'), 2)],
  ['yes', match(meta('nfproto'), 10), packet6()],
  ['yes', match(meta('length'), 60)],
  ['yes', match(meta('mark'), { '|': [1, 2] }), packet({ mark: 3 })],
  ['?', match(meta('mark'), { '^': [1, 2] }), packet({ mark: 3 })],
  ['?', match(meta('mark'), prefix(2, 31))],
  ['?', match(meta('cgroup'), 1)],
  ['?', match({ jhash: {} }, 1)],
  ['yes', match(ct('state'), [2, 8], 'in')],
  ['yes', match(ct('state'), set(8, 64))],
  ['no', match(ct('state'), 1), packet()],
  ['yes', match(ct('state'), 1, 'in'), packet({ tcpFlags: 1 })],
  ['no', match(ct('status'), 32, 'in')],
  ['yes', match(ct('status'), [16, 32], '!')],
  ['no', match(ct('status'), 2, 'in')],
  ['?', match(ct('status'), 512, 'in')],
  ['?', match(ct('status'), 32)],
  ['no', match(ct('status'), 32, '!'), packet({ tcpFlags: 1 })],
  ['yes', match(ct('status'), 2, 'in'), known('established')],
  ['yes', match(ct('status'), [2, 512], 'in'), known('established')],
  ['yes', match(ct('status'), 8, 'in'), known('established')],
  ['no', match(ct('status'), 32, 'in'), known('established')],
  ['?', match(ct('status'), 4, 'in'), known('established')],
  ['yes', match(ct('status'), 4, 'in'), known('established', true)],
  ['no', match(ct('status'), 4, 'in'), known('established', false)],
  ['yes', match(ct('status'), 32, '!'), known('related')],
  ['?', match(ct('status'), 2, 'in'), known('related')],
  ['yes', match(ct('direction'), 0)],
  ['yes', match(ct('mark'), 0)],
  ['no', match(ct('mark'), 0), packet({ tcpFlags: 1 })],
  ['yes', match(ct('ip saddr', 'original'), '198.51.100.9')],
  ['no', match(ct('ip6 saddr', 'original'), '::1', '!=')],
  ['yes', match(ct('proto-dst', 'original'), 80)],
  ['?', match(ct('ip saddr', 'reply'), '198.51.100.9')],
  ['yes', match(fib('type', 'daddr'), 2)],
  ['yes', match(fib('type', 'saddr'), set(1, 3))],
  ['yes', match({ fib: { result: 'type', flags: 'daddr' } }, 2)],
  ['yes', match(fib('type', 'daddr', 'iif'), 2)],
  ['?', match(fib('type', 'daddr', 'oif'), 2)],
  ['?', match(fib('type', 'daddr', 'saddr'), 2)],
  ['?', match(fib('oifname', 'saddr', 'iif'), 'eth0')],
];

t.test('matches', (t) => {
  for (const [expected, statement, of] of rows) {
    t.equal(holds([statement], of), expected, JSON.stringify(statement));
  }
  t.end();
});

t.test('whether there is a way back', (t) => {
  const missing = match(fib('oif', 'saddr', 'mark', 'iif'), false);
  const back = (answer: boolean | undefined): Answering => ({ 'reverse-path': () => answer });
  t.equal(holds([missing], packet(), back(true)), 'no');
  t.equal(holds([missing], packet(), back(false)), 'yes');
  t.equal(holds([missing], packet(), back(undefined)), '?');
  t.equal(
    holds([missing], packet({ inInterface: 'lo' }), back(false)),
    'no',
    'it is there by itself',
  );
  const chains = { out: { at: 'output 0', rules: [[missing, { drop: null }]] } };
  t.equal(explainedBy([nativeTable(chains)], made()).alternatives.length, 2, 'nobody can say');
  t.end();
});

t.test('a packet that a rule has taken out of connection tracking', (t) => {
  const chains = {
    pre: { at: 'prerouting -300', rules: [[{ notrack: null }], [{ notrack: null }]] },
    in: { at: 'input 0', rules: [[match(ct('state'), 64, 'in'), { drop: null }]] },
  };
  t.equal(explainedBy([nativeTable(chains)], packet()).alternatives[0]?.end.kind, 'dropped');
  t.end();
});

t.test('conditions are told in words', (t) => {
  const words = (statement: unknown) => {
    const chains = { in: { at: 'input 0', rules: [[statement, accept]] } };
    const { alternatives } = explainedBy(
      [nativeTable(chains)],
      packet({ destination: ip('192.0.2.1') }),
    );
    return alternatives[0]?.assumptions[0]?.dependsOn;
  };
  t.strictSame(words(match(meta('cgroup'), 1)), [`meta cgroup is as the rule says`]);
  t.strictSame(words(match(ct('ip saddr', 'reply'), 'x')), [
    'ct reply ip saddr is as the rule says',
  ]);
  t.strictSame(words(match({ '&': [ct('bytes'), 3] }, 'x')), ['ct bytes & 3 is as the rule says']);
  t.strictSame(words(match(fib('oif', 'daddr', 'mark'), 'x')), [
    'fib daddr . mark oif is as the rule says',
  ]);
  t.strictSame(words(match(payload('ah', 'spi'), 'x')), ['ah spi is as the rule says']);
  t.strictSame(words(match({ '^': [concat(meta('a'), meta('b')), 1] }, 'x')), [
    'meta a . meta b ^ 1 is as the rule says',
  ]);
  t.strictSame(words(match({ jhash: 1 }, 'x')), ['{"jhash":1} is as the rule says']);
  t.end();
});
