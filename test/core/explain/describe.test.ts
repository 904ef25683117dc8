import t from 'tap';
import { answerTo } from '../../../src/core/explain/answer.js';
import { describe } from '../../../src/core/explain/describe.js';
import { ownerOf } from '../../../src/core/explain/owners.js';
import { parseDestination, parsePlace } from '../../../src/core/explain/path/places.js';
import { type Answering, explained, ip, made, packet, packet6 } from './host.js';

const words = (
  rules: string,
  of = packet(),
  detail: 'hooks' | 'rules' = 'hooks',
  answering: Answering = {},
  variant: 'nft' | 'legacy' = 'nft',
) => describe(explained(rules, of, answering, variant), of, detail).join('\n');

const published = `
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
[12:720] -A DOCKER ! -i br-1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.20.0.2:8080
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-1 -j DOCKER
-A DOCKER-USER -s 203.0.113.0/24 -j DROP
-A DOCKER -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 8080 -j ACCEPT
`;
const toContainer: Answering = {
  route: ({ destination }) =>
    destination.startsWith('172.20.')
      ? { to: 'interface', outInterface: 'br-1', gateway: ip('172.20.0.2') }
      : { to: 'host' },
};

t.test('what decides at each hook', async (t) => {
  t.equal(
    words(published, packet(), 'hooks', toContainer),
    `198.51.100.9 -> 192.0.2.1:80/tcp, first packet of a flow, arrives on eth0

  conntrack        a new flow
  nat              PREROUTING 1 -> DOCKER 1: ! -i br-1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.20.0.2:8080 (now 198.51.100.9 -> 172.20.0.2:8080)  [Docker or tsbridge]  12 packets so far
  routing          out of br-1 by 172.20.0.2
  filter           FORWARD 2 -> DOCKER 1: -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 8080 -j ACCEPT  [Docker or tsbridge]

SENT out of br-1.`,
  );
});

t.test('whose rule refuses it', async (t) => {
  const banned = packet({ source: ip('203.0.113.5') });
  t.match(
    words(published, banned, 'hooks', toContainer),
    `DROPPED in FORWARD by rule 1 of chain DOCKER-USER, table filter (iptables):
  -A DOCKER-USER -s 203.0.113.0/24 -j DROP
  It looks like a rule of the administrator (DOCKER-USER).`,
  );
  const other = packet({ destination: ip('172.20.0.2'), destinationPort: 81 });
  t.match(
    words(published, other, 'hooks', toContainer),
    'DROPPED in FORWARD by the policy of chain FORWARD, table filter (iptables).',
  );
  const legacy = '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j REJECT';
  t.match(words(legacy, packet(), 'hooks', {}, 'legacy'), /REJECTED in INPUT by rule 1 .*legacy/);
  t.notMatch(words(legacy), /looks like/);
});

t.test('every rule that the packet met', async (t) => {
  const rules = `
*filter
:INPUT ACCEPT [0:0]
:A - [0:0]
-A INPUT -j A
-A INPUT -g A
-A A -p tcp
`;
  t.match(words(rules, packet(), 'rules'), / {2}filter {11}A 1: -p tcp\n.*A policy: comes back/);
  t.notMatch(words(rules), /A 1/, 'a rule that only counts is left out');
});

t.test('ways that differ', async (t) => {
  const limited = '*filter\n:INPUT DROP [0:0]\n-A INPUT -m limit --limit 5/min -j ACCEPT';
  const text = words(limited);
  t.match(text, 'Way 1\n  if: the rate is within the limit (--limit 5/min) (filter INPUT 1)');
  t.match(text, 'Way 2\n  if not: the rate');
  t.match(text, /DEPENDS/);
  const many = `*filter\n:INPUT ACCEPT [0:0]\n${'-A INPUT -m limit --limit 5/min -j MARK --set-xmark 0x1/0x1\n'.repeat(5)}`;
  t.match(words(many), /More ways/);
  t.match(words('*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ODD'), /NOT KNOWN: .*ODD/);
});

t.test('other ends, and other packets', async (t) => {
  t.match(words('', packet6()), '[2001:db8::1]:80/tcp');
  t.match(words('', packet6()), 'TAKEN by this host itself');
  t.match(
    words('', made({ protocol: 99, destinationPort: 0 })),
    '192.0.2.1/protocol 99, sent by a',
  );
  t.match(words('', packet({ tcpFlags: 0 })), 'no flow begins so: invalid');
  t.match(words('', packet({ destination: ip('203.0.113.1') })), 'out of eth1\n');
  const lost: Answering = { route: () => ({ to: 'nowhere', words: 'there is no route' }) };
  t.match(
    words('', packet(), 'hooks', lost),
    /nowhere: there is no route[\s\S]*LOST before a rule/,
  );
});

t.test('whose rules', async (t) => {
  const cases = [
    ['DOCKER-USER', '-j DROP', 'the administrator (DOCKER-USER)'],
    ['FORWARD', '-j DOCKER-FORWARD', 'Docker or tsbridge'],
    ['ufw-user-input', '-p tcp -j DROP', 'ufw'],
    ['INPUT', '-p tcp -m multiport --dports 22 -j f2b-sshd', 'fail2ban'],
    ['KUBE-SERVICES', '-j KUBE-SVC-X', 'kube-proxy'],
    ['FORWARD', '-m comment --comment "generated for LXD network lxdbr0" -j ACCEPT', 'LXD'],
    ['FORWARD', '-s 10.0.0.0/8 -j DROP', undefined],
  ] as const;
  for (const [chain, text, owner] of cases)
    t.equal(ownerOf(chain, text), owner, `${chain} ${text}`);
});

t.test('places and destinations', async (t) => {
  t.strictSame(parsePlace('host'), { kind: 'host' });
  t.strictSame(parsePlace('192.0.2.1'), { kind: 'address', address: '192.0.2.1' });
  for (const text of ['::ffff:192.0.2.1', '[::ffff:192.0.2.1]'])
    t.strictSame(parsePlace(text), { kind: 'address', address: '192.0.2.1' }, 'as logs have it');
  t.strictSame(parsePlace('fe80::1%eth0'), {
    kind: 'address',
    address: 'fe80::1',
    interface: 'eth0',
  });
  t.strictSame(parsePlace('web@shop'), { kind: 'container', name: 'web', network: 'shop' });
  t.strictSame(parsePlace('web'), { kind: 'container', name: 'web' });
  for (const text of ['[2001:db8::1]', '2001:db8::1'])
    t.strictSame(parsePlace(text), { kind: 'address', address: '2001:db8::1' }, text);
  for (const text of ['[fe80::1]%eth0', '[fe80::1%eth0]', 'fe80::1%eth0']) {
    const place = { kind: 'address', address: 'fe80::1', interface: 'eth0' };
    t.strictSame(parsePlace(text), place, text);
  }
  // A port is no part of an address, and only addresses of IPv6 stand in brackets.
  const noPlaces = ['[2001:db8::1]:53', '[2001:db8::1]53', '[2001:db8::1', '[]', '[web]'];
  const more = ['[192.0.2.1]', '192.0.2.1:53', 'web:80', '[2001:db8::1]%', '[::1%a]%b'];
  for (const text of [
    ...noPlaces,
    ...more,
    '',
    'a b',
    '192.0.2.1%',
    '-x',
    'toString%x%y',
    '192.0.2.1%a%b',
  ]) {
    t.equal(parsePlace(text), undefined, text);
  }
  t.strictSame(parseDestination(':8080'), { protocol: 6, port: 8080 });
  t.strictSame(parseDestination('[2001:db8::1]:53/udp'), {
    place: { kind: 'address', address: '2001:db8::1' },
    protocol: 17,
    port: 53,
  });
  t.strictSame(parseDestination('web/icmp'), {
    place: { kind: 'container', name: 'web' },
    protocol: 1,
    port: 0,
  });
  for (const text of [
    'web',
    '2001:db8::1:80',
    'web:0',
    'web:70000',
    'a b:80',
    'a b/icmp',
    '[192.0.2.1]:80',
    '[2001:db8::1]:53:80',
    '[2001:db8::1]:53/icmp',
  ]) {
    t.equal(parseDestination(text), undefined, text);
  }
});

t.test('rules of an option are named after it', async (t) => {
  for (const [chain, text, name] of [
    ['TSBRIDGE-PUBLISH-DROP', '-o br-x -j DROP', 'tsbridge (tsbridge.publish_from)'],
    ['TSBRIDGE-PROXY', '-i eth0 -j RETURN', 'tsbridge (tsbridge.publish_from)'],
    ['TSBRIDGE-EGRESS-DROP', '-i br-x -j DROP', 'tsbridge (tsbridge.egress_allow)'],
    ['TSBRIDGE-SOURCE', '-j ACCEPT', 'tsbridge (tsbridge.egress_ip, no_masquerade_to)'],
    ['TSBRIDGE-ANSWERS', '-j ACCEPT', 'tsbridge (tsbridge.no_masquerade_to)'],
    ['FORWARD', '-j TSBRIDGE-PUBLISH', 'tsbridge'],
  ] as const) {
    t.equal(ownerOf(chain, text), name, chain);
  }
});

t.test('an option that keeps a port from others is named as what refuses', async (t) => {
  const guarded = `
*mangle
:FORWARD ACCEPT [0:0]
:TSBRIDGE-PUBLISH - [0:0]
:TSBRIDGE-PUBLISH-DROP - [0:0]
-A FORWARD -j TSBRIDGE-PUBLISH
-A TSBRIDGE-PUBLISH -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A TSBRIDGE-PUBLISH -s 203.0.113.0/24 -d 172.20.0.2/32 -o br-1 -j RETURN
-A TSBRIDGE-PUBLISH -j TSBRIDGE-PUBLISH-DROP
-A TSBRIDGE-PUBLISH-DROP -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 8080 -j DROP
${published}`;
  const refused = words(guarded, packet(), 'hooks', toContainer);
  t.match(refused, /DROPPED in FORWARD by rule 1 of chain TSBRIDGE-PUBLISH-DROP, table mangle/);
  t.match(refused, /It looks like a rule of tsbridge \(tsbridge\.publish_from\)\./);
  const friend = packet({ source: ip('203.0.113.9') });
  t.notMatch(words(guarded, friend, 'hooks', toContainer), /DROPPED .*TSBRIDGE/);
});

t.test('the answer of a published port is translated back by the entry of its flow', async (t) => {
  const rules = `${published}-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n`;
  const [way] = explained(rules, packet(), toContainer).alternatives;
  const answer = way && answerTo(way);
  if (answer === undefined) throw new Error('nothing answers');
  const back: Answering = { route: () => ({ to: 'interface', outInterface: 'eth0' }) };
  t.match(
    words(rules, answer, 'hooks', back),
    /nat +POSTROUTING: by the flow's entry, no rule \(now 192\.0\.2\.1 -> 198\.51\.100\.9:\d+\)/,
  );
});
