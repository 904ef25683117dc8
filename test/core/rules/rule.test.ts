import t from 'tap';
import type { Cidr, IpAddress } from '../../../src/core/address.js';
import type { Port } from '../../../src/core/ports/port.js';
import { parseRule } from '../../../src/core/rules/parse-rule.js';
import { type Matches, makeRule, place, type Target } from '../../../src/core/rules/rule.js';
import type { RuleChange } from '../../../src/core/rules/rule-set.js';
import { interfaceName } from '../../golden/golden.js';

const br = interfaceName('br-x');
const subnet: Cidr = { family: 4, address: '10.6.0.0' as IpAddress, prefixLength: 24 };
const ip = (text: string) => text as IpAddress;
const port = (value: number) => value as Port;

const texts: readonly (readonly [Matches, Target, string])[] = [
  [{}, 'RETURN', '-j RETURN'],
  [{}, { jump: 'DOCKER-CT' }, '-j DOCKER-CT'],
  [{ inInterface: br, outInterface: { not: br } }, 'ACCEPT', '-i br-x ! -o br-x -j ACCEPT'],
  [{ outInterface: br, source: { not: subnet } }, 'DROP', '! -s 10.6.0.0/24 -o br-x -j DROP'],
  [{ protocol: 'icmp', outInterface: br }, 'ACCEPT', '-o br-x -p icmp -j ACCEPT'],
  [{ protocol: 'icmpv6' }, 'ACCEPT', '-p ipv6-icmp -j ACCEPT'],
  [{ protocol: 'tcp' }, 'ACCEPT', '-p tcp -j ACCEPT'],
  [
    { localSource: true, outInterface: br },
    { snat: ip('10.9.0.1') },
    '-o br-x -m addrtype --src-type LOCAL -j SNAT --to-source 10.9.0.1',
  ],
  [{ localDestination: true }, { jump: 'DOCKER' }, '-m addrtype --dst-type LOCAL -j DOCKER'],
  [{ established: true }, 'ACCEPT', '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'],
  [
    { protocol: 'sctp', sourcePort: port(99) },
    'CHECKSUM',
    '-p sctp -m sctp --sport 99 -j CHECKSUM --checksum-fill',
  ],
  [
    {
      protocol: 'udp',
      sourcePort: port(1),
      destinationPort: { first: port(80), last: port(90) },
    },
    { dnat: { address: ip('10.6.0.2'), port: { first: port(80), last: port(90) } } },
    '-p udp -m udp --sport 1 --dport 80:90 -j DNAT --to-destination 10.6.0.2:80-90',
  ],
  [
    { protocol: 'tcp', destinationPort: port(8080) },
    { dnat: { address: ip('fd00::2'), port: port(80) } },
    '-p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80',
  ],
];

t.test('a rule has the text of iptables-save', async (t) => {
  for (const [matches, target, text] of texts) {
    t.equal(makeRule(4, 'filter', 'DOCKER', matches, target).text, text);
  }
});

t.test('what the host takes in', async (t) => {
  const rule = (family: 4 | 6) =>
    makeRule(family, 'mangle', 'DOCKER', { hostDestination: true }, 'DROP');
  t.equal(rule(4).text, '-m addrtype --dst-type LOCAL,BROADCAST -j DROP');
  t.equal(rule(6).text, '-m addrtype --dst-type LOCAL,ANYCAST -j DROP');
  for (const family of [4, 6] as const) {
    t.same(parseRule(family, 'mangle', 'DOCKER', rule(family).text), rule(family));
    t.equal(parseRule(family === 4 ? 6 : 4, 'mangle', 'DOCKER', rule(family).text), undefined);
  }
});

t.test('a placed rule has its text, table, chain and place', async (t) => {
  t.match(place('anchor', 6, 'filter', 'FORWARD', {}, { jump: 'DOCKER-USER' }), {
    place: 'anchor',
    rule: { family: 6, table: 'filter', chain: 'FORWARD', text: '-j DOCKER-USER' },
  });
});

t.test('only validated values can be rendered: what follows does not compile', async (t) => {
  const text = '-j ACCEPT\nCOMMIT';
  // @ts-expect-error a name from outside is no InterfaceName
  t.type(makeRule(4, 'filter', 'FORWARD', { inInterface: text }, 'ACCEPT'), 'object');
  // @ts-expect-error a number from outside is no Port
  const matches: Matches = { protocol: 'tcp', destinationPort: 80 };
  t.type(matches, 'object');
  // @ts-expect-error a text is no address
  t.type(makeRule(4, 'nat', 'POSTROUTING', {}, { snat: text }), 'object');
  // @ts-expect-error chains and targets are those that we know
  t.type(makeRule(4, 'filter', text, {}, 'ACCEPT'), 'object');
  const rule = makeRule(4, 'filter', 'FORWARD', {}, 'ACCEPT');
  // @ts-expect-error nobody else makes the text of a rule
  const forged: RuleChange = { op: 'append', rule: { ...rule, text } };
  t.equal(forged.op, 'append');
});
