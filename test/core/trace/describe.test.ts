import t from 'tap';
import { type IpAddress, parseIp } from '../../../src/core/address.js';
import type { RuleStep } from '../../../src/core/explain/chains/chain-walk.js';
import { hookChains, passageOf } from '../../../src/core/trace/chains.js';
import { lossesBetween, readKernelCounters } from '../../../src/core/trace/counters.js';
import {
  addressesIn,
  answeredKey,
  asStep,
  describeStep,
  endOf,
  flagWords,
  flowKey,
  lostWords,
  protocolWord,
  withReturns,
} from '../../../src/core/trace/describe.js';
import type { PacketHeaders, TraceEvent } from '../../../src/core/trace/event.js';
import type { TracedPacket } from '../../../src/core/trace/placing.js';

const event: TraceEvent = {
  ...{
    id: 1,
    family: 'ip',
    table: 'nat',
    chain: 'DOCKER',
    kind: 'rule',
    handle: 3n,
    verdict: 'accept',
    mark: 0,
  },
};
const nameOf = (address: string) => (address === '172.20.0.2' ? 'web' : undefined);
const say = (text: string, more: Partial<TraceEvent> = {}) =>
  describeStep({ hook: 'FORWARD', event: { ...event, ...more } }, { number: 1, text }, nameOf);

t.test('steps', async (t) => {
  t.match(say('! -i br-1 -p tcp -j DNAT --to-destination 172.20.0.2:80'), {
    rule: '-A DOCKER ! -i br-1 -p tcp -j DNAT --to-destination 172.20.0.2:80',
    ...{ outcome: 'translate', owner: 'Docker or tsbridge', containers: ['web'] },
  });
  t.match(say('-j REJECT', { verdict: 'drop' }), { outcome: 'reject' });
  t.match(
    say('tcp dport 81 drop', { verdict: 'drop', table: 'firewalld', chain: 'filter_FORWARD' }),
    {
      ...{ rule: 'tcp dport 81 drop', outcome: 'drop', owner: 'firewalld' },
    },
  );
  t.equal(say('drop', { table: 'docker-bridges', chain: 'x' }).owner, 'Docker (nftables backend)');
  t.equal(say('drop', { table: 'my', chain: 'x' }).owner, undefined);
  const unknown = describeStep({ hook: 'INPUT', event }, undefined, nameOf);
  t.match(unknown, { number: undefined, rule: undefined, owner: undefined, outcome: 'accept' });
  const { handle: _, verdict: __, ...end } = event;
  t.equal(describeStep({ hook: 'INPUT', event: end }, undefined, nameOf).outcome, 'return');
  const returned: TraceEvent = { ...end, kind: 'return' };
  t.equal(describeStep({ hook: 'INPUT', event: returned }, undefined, nameOf).outcome, 'return');
  t.equal(
    describeStep({ hook: 'INPUT', event: { ...end, handle: 3n } }, undefined, nameOf).outcome,
    'continue',
  );
});

t.test('addresses in rules', async (t) => {
  t.strictSame(addressesIn('-d 172.20.0.2/32 -j DNAT --to-destination 10.0.0.1:80 --dport 8080'), [
    '172.20.0.2',
    '10.0.0.1',
  ]);
  t.strictSame(addressesIn('ip6 daddr fd00::2 tcp dport 443 dnat to [fd00::3]:80'), [
    'fd00::2',
    'fd00::3',
  ]);
});

t.test('ways through chains', async (t) => {
  const step = (
    chain: string,
    outcome: string,
    to: string | null = null,
    handle: string | null = '1',
  ) => asStep({ chain, outcome, to, handle, rule: null });
  const words = (steps: readonly RuleStep[]) =>
    withReturns(steps).map(({ chain, outcome, to }) => [chain, outcome, to ?? ''].join(' ').trim());
  t.strictSame(
    words([
      step('F', 'jump', 'A'),
      step('A', 'jump', 'B'),
      step('F', 'jump', 'C'),
      step('F', 'accept', null, null),
    ]),
    ['F jump A', 'A jump B', 'B return', 'A return', 'F jump C', 'C return', 'F accept'],
  );
  t.strictSame(words([step('F', 'jump', 'A'), step('A', 'return'), step('F', 'drop')]), [
    'F jump A',
    'A return',
    'F drop',
  ]);
  t.strictSame(words([step('F', 'jump', 'A'), step('A', 'goto', 'B'), step('F', 'drop')]), [
    'F jump A',
    'A goto B',
    'B return',
    'F drop',
  ]);
  t.match(step('F', 'queue'), { outcome: 'unknown', text: '-j ?' });
  t.equal(step('F', 'accept', null, null).text, undefined);
});

const headers: PacketHeaders = {
  ...{ family: 4, protocol: 6, tcpFlags: 0x12, sourcePort: 80, destinationPort: 40_000 },
  ...{
    source: parseIp('10.0.0.1') as IpAddress,
    destination: parseIp('10.0.0.2') as IpAddress,
  },
};

t.test('words', async (t) => {
  t.equal(flagWords(headers), 'SYN ACK');
  t.equal(flagWords({ ...headers, protocol: 17 }), '');
  t.strictSame([protocolWord(6), protocolWord(250)], ['tcp', '250']);
  t.equal(flowKey(headers), '6 10.0.0.1 80 10.0.0.2 40000');
  t.equal(answeredKey(headers), '6 10.0.0.2 40000 10.0.0.1 80');
  t.match(lostWords({ hook: 'PREROUTING', at: 'end' }), /reverse path filter.*does not report/);
  t.match(lostWords({ hook: 'OUTPUT', at: 'end' }), /routing/);
  t.match(lostWords({ hook: 'FORWARD', at: 'end' }), /behind hook FORWARD/);
  t.match(lostWords({ hook: 'FORWARD', at: 'start' }), /iptables-legacy.*IPsec/);
  t.match(lostWords({ hook: 'FORWARD', at: 'start' }), /iptables-legacy/);
  const packet = { end: { kind: 'dropped' } } as TracedPacket;
  t.equal(endOf(packet, say('-j REJECT', { verdict: 'drop' })), 'rejected');
  t.equal(endOf(packet, undefined), 'dropped');
});

t.test('chains', async (t) => {
  t.equal(hookChains(false, 'every-hook').length, 9);
  t.equal(hookChains(true, 'every-hook').length, 11);
  t.strictSame(
    hookChains(false, 'ends').map(({ name }) => name),
    [
      ...['prerouting-start', 'prerouting-end', 'input-end', 'output-start', 'output-end'],
      'postrouting-end',
    ],
  );
  t.strictSame(passageOf('forward-end'), { hook: 'FORWARD', at: 'end' });
  t.equal(passageOf('prerouting-replies'), undefined);
  t.equal(passageOf('marked'), undefined);
});

t.test('what the kernel counts', async (t) => {
  const texts = (paths: number, six: number) => [
    'Ip: Forwarding DefaultTTL InHdrErrors\nIp: 1 64 0\nTcp: MaxConn ActiveOpens\nTcp: -1 5\n',
    `TcpExt: SyncookiesSent IPReversePathFilter\nTcpExt: 0 ${paths}\n`,
    `Ip6InNoRoutes                   \t${six}\n`,
  ];
  const [before, after] = [readKernelCounters(texts(3, 0)), readKernelCounters(texts(5, 1))];
  t.equal(before.get('Tcp.ActiveOpens'), 5n);
  t.equal(before.get('Tcp.MaxConn'), undefined, 'no number of packets');
  t.match(lossesBetween(before, after), [
    { counter: 'TcpExt.IPReversePathFilter', packets: 2, words: /rp_filter/ },
    { counter: 'Ip6InNoRoutes', packets: 1 },
  ]);
  t.strictSame(lossesBetween(after, before), []);
});
