import t, { type Test } from 'tap';
import { readRuleText } from '../../../src/codec/iptables/iptables-words.js';
import { Answers } from '../../../src/core/explain/facts.js';
import { ruleMatches } from '../../../src/core/explain/matches/all.js';
import { type Flow, newFlow, type Packet } from '../../../src/core/explain/packet.js';
import { isUnknown } from '../../../src/core/explain/truth.js';
import { ip, made, packet, packet6 } from './host.js';

/** `yes`, `no`, or what it depends on. */
function asked(rule: string, of: Packet, answers = new Answers()): string {
  const truth = ruleMatches({ number: 1, text: rule, ...readRuleText(rule) }, of, answers);
  return isUnknown(truth) ? truth.dependsOn.join('; ') : truth ? 'yes' : 'no';
}

/** Rules that a packet matches and rules that it does not. */
function compare(t: Test, of: Packet, yes: readonly string[], no: readonly string[]): void {
  for (const rule of yes) t.equal(asked(rule, of), 'yes', rule);
  for (const rule of no) t.equal(asked(rule, of), 'no', rule);
}

t.test('addresses, interfaces and protocols', async (t) => {
  compare(
    t,
    packet(),
    [
      '',
      '-s 198.51.100.9/32',
      '-s 198.51.100.0/24 -d 192.0.2.1',
      '! -s 10.0.0.0/8',
      '-s 0.0.0.9/0.0.0.255',
      '-s 0.0.0.0/0',
      '-i eth0',
      '-i eth+',
      '-i +',
      '! -i eth1',
      '! -o eth1',
      '-p tcp',
      '-p 6',
      '-p all',
      '! -p udp',
      '! -f',
      '-m comment --comment "-p udp"',
    ],
    [
      '-s 198.51.100.8/32',
      '-s 0.0.0.8/0.0.0.255',
      '! -d 192.0.2.0/24',
      '-d 2001:db8::1/128',
      '-i eth1',
      '-i eth',
      '-o eth0',
      '-p udp',
      '-p ospf',
      '-f',
    ],
  );
  t.match(asked('-p no-such-protocol', packet()), /“-p no-such-protocol” holds/);
  t.match(asked('-s somewhere', packet()), /somewhere/);
  compare(t, packet6(), ['-s 2001:db8:9::/48', '-p tcp'], ['-s 192.0.2.0/24', '-p ipv6-icmp']);
});

t.test('ports and flags', async (t) => {
  compare(
    t,
    packet(),
    [
      '-p tcp -m tcp --dport 80',
      '-p tcp -m tcp --dport 80:90 --sport 1024:65535',
      '-p tcp -m tcp --dport :80',
      '-p tcp -m tcp ! --dport 81:',
      '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN',
      '-p tcp -m tcp ! --tcp-flags ALL NONE',
      '-p tcp -m multiport --dports 22,80',
      '-p tcp -m multiport --ports 1:100',
      '-p tcp -m multiport ! --sports 1:100',
      '-m length --length 60',
      '-m ttl --ttl-eq 64 -m ttl --ttl-lt 65 -m ttl --ttl-gt 63',
      '-m dscp --dscp 0x00',
      '-m tos --tos 0x00/0xff',
      '-m mark --mark 0x0',
      '-m pkttype --pkt-type unicast',
      '-m iprange --src-range 198.51.100.1-198.51.100.99 --dst-range 192.0.2.1-192.0.2.1',
    ],
    [
      '-p tcp -m tcp --dport 81',
      '-p udp -m udp --dport 80',
      '-m sctp --dport 80',
      '-p tcp -m multiport --dports 22,443',
      '-m length --length 61:',
      '-m ttl --ttl-gt 64',
      '-m mark --mark 0x1/0x1',
      '-m pkttype --pkt-type multicast',
      '-m pkttype --pkt-type broadcast',
      '-m iprange ! --src-range 198.51.100.1-198.51.100.99',
      '-m icmp --icmp-type 8',
      '-m frag --fragid 1',
    ],
  );
  const broken = [
    '-p tcp -m tcp --dport http',
    '-p tcp -m tcp --dport :',
    '-p tcp -m tcp --tcp-flags SYN,CWR SYN',
    '-p tcp -m tcp --tcp-option 5',
    '-p tcp -m multiport --dports 22,http',
    '-p tcp -m multiport --ports http',
    '-m mark --mark 0x1ffffffff',
    '-m ttl --ttl-eq many',
    '-m dscp --dscp high',
    '-m iprange --src-range here-there',
    '-m pkttype --pkt-type strange',
  ];
  for (const rule of broken) t.match(asked(rule, packet()), /holds$/, rule);
  compare(
    t,
    packet({ destination: ip('224.0.0.1') }),
    ['-m pkttype --pkt-type multicast'],
    ['-m pkttype --pkt-type unicast'],
  );
  compare(t, packet6(), ['-m pkttype --pkt-type unicast', '-m hl --hl-eq 64'], []);
  compare(t, packet({ protocol: 50, destinationPort: 0 }), [], ['-m multiport --dports 0']);
});

t.test('types of ICMP', async (t) => {
  const echo = packet({ protocol: 1, icmp: { type: 8, code: 0 }, sourcePort: 1 });
  compare(
    t,
    echo,
    ['-p icmp -m icmp --icmp-type any', '-p icmp -m icmp --icmp-type 8', '-m icmp --icmp-type 8/0'],
    ['-m icmp --icmp-type 8/1', '-m icmp ! --icmp-type 8'],
  );
  t.match(asked('-m icmp --icmp-type echo', echo), /echo/);
  const echo6 = packet6({ protocol: 58, icmp: { type: 128, code: 0 } });
  compare(t, echo6, ['-p ipv6-icmp -m icmp6 --icmpv6-type 128'], ['-m icmp --icmp-type 8']);
});

t.test('what connection tracking knows', async (t) => {
  const flow = newFlow(packet());
  compare(
    t,
    { ...packet(), flow },
    [
      '-m conntrack --ctstate NEW',
      '-m conntrack --ctstate NEW,INVALID ! --ctstatus CONFIRMED',
      '-m conntrack --ctorigsrc 198.51.100.0/24 --ctorigdst 192.0.2.1',
      '-m conntrack --ctorigsrcport 40000 --ctorigdstport 1:1024',
      '-m conntrack --ctreplsrc 192.0.2.1 --ctrepldst 198.51.100.9',
      '-m conntrack --ctreplsrcport 80 --ctrepldstport 40000',
      '-m conntrack --ctproto 6 --ctdir ORIGINAL',
      '-m conntrack --ctproto tcp',
      '-m state --state NEW',
      '-m connmark --mark 0x0',
    ],
    [
      '-m conntrack --ctstate RELATED,ESTABLISHED',
      '-m conntrack --ctstate DNAT',
      '-m conntrack --ctstatus SEEN_REPLY',
      '-m conntrack --ctdir REPLY',
      '-m state ! --state NEW',
      '-m connmark --mark 0x1',
      '-m helper --helper ftp',
    ],
  );
  t.match(asked('-m conntrack --ctexpire 10', { ...packet(), flow }), /--ctexpire 10/);
  t.match(asked('-m conntrack --ctproto x', { ...packet(), flow }), /--ctproto x/);
  const translated = { ...flow, sourceTranslated: true, destinationTranslated: true };
  compare(
    t,
    { ...packet(), flow: translated },
    ['-m conntrack --ctstate DNAT', '-m conntrack --ctstate SNAT'],
    [],
  );
  const answer = { ...flow, state: 'established', direction: 'reply', confirmed: true } as const;
  compare(
    t,
    { ...packet(), flow: answer },
    [
      '-m conntrack --ctstate RELATED,ESTABLISHED',
      '-m conntrack --ctstatus CONFIRMED',
      '-m conntrack --ctstatus SEEN_REPLY',
      '-m conntrack --ctdir REPLY',
    ],
    ['-m conntrack --ctstatus NONE'],
  );
  const { assured: _, ...aged } = answer;
  const assured = (of: Flow) => asked('-m conntrack --ctstatus ASSURED', { ...packet(), flow: of });
  t.match(assured(aged), /ASSURED/);
  t.equal(assured({ ...aged, assured: true }), 'yes');
  t.equal(assured(answer), 'no', 'the first answer makes no flow assured');
  const replied = asked('-m conntrack --ctreplsrc 10.0.0.1', { ...packet(), flow: answer });
  t.match(replied, /replsrc/);
  t.match(asked('-m helper --helper ftp', { ...packet(), flow: answer }), /ftp/);
});

t.test('a packet without a flow is invalid or untracked', async (t) => {
  compare(
    t,
    packet(),
    ['-m conntrack --ctstate INVALID', '-m conntrack ! --ctstate NEW', '-m state --state INVALID'],
    ['-m conntrack --ctstate NEW', '-m conntrack ! --ctdir REPLY', '-m connmark ! --mark 0x1'],
  );
  compare(
    t,
    { ...packet(), flow: 'untracked' },
    ['-m conntrack --ctstate UNTRACKED'],
    ['-m conntrack --ctstate INVALID', '-m conntrack ! --ctstate UNTRACKED'],
  );
});

t.test('types of addresses', async (t) => {
  const answers = new Answers();
  const { family, source, destination } = packet();
  answers.give({ kind: 'address-type', family, address: source }, 'UNICAST');
  answers.give({ kind: 'address-type', family, address: destination }, 'LOCAL');
  answers.give(
    { kind: 'address-type', family, address: destination, interface: 'eth0' },
    'UNICAST',
  );
  answers.give({ kind: 'address-type', family, address: destination, interface: 'eth1' }, 'LOCAL');
  const type = (rule: string, of = packet()) => asked(`-m addrtype ${rule}`, of, answers);
  t.equal(type('--dst-type LOCAL'), 'yes');
  t.equal(type('--dst-type LOCAL,BROADCAST'), 'yes');
  t.equal(type('--dst-type UNICAST'), 'no');
  t.equal(type('! --src-type LOCAL,BROADCAST'), 'yes');
  t.equal(type('--dst-type LOCAL --limit-iface-in'), 'no');
  t.equal(type('--dst-type LOCAL --limit-iface-out', { ...packet(), outInterface: 'eth1' }), 'yes');
  t.match(type('--dst-type LOKAL'), /LOKAL/);
  t.match(type('--new-type LOCAL'), /new-type/);
});

t.test('types of addresses of IPv6 are told by the address itself, but for LOCAL', async (t) => {
  const answers = new Answers();
  const { family, destination } = packet6();
  answers.give({ kind: 'address-type', family, address: destination }, 'LOCAL');
  const type = (rule: string, of = packet6()) => asked(`-m addrtype ${rule}`, of, answers);
  t.equal(type('--dst-type UNICAST'), 'yes');
  t.equal(type('--dst-type LOCAL'), 'yes');
  t.equal(type('--dst-type LOCAL,MULTICAST'), 'no');
  t.equal(type('--dst-type ANYCAST'), 'no');
  t.equal(type('--dst-type LOCAL,ANYCAST'), 'yes');
  t.equal(type('--dst-type UNSPEC'), 'no');
  t.equal(type('--dst-type UNICAST', packet6({ destination: ip('ff02::1') })), 'no');
  t.equal(type('--dst-type MULTICAST', packet6({ destination: ip('ff02::1') })), 'yes');
  t.equal(type('--src-type UNSPEC', packet6({ source: ip('::') })), 'yes');
});

t.test('sets, routes back, bridges, users', async (t) => {
  const answers = new Answers();
  const { family, protocol, source, destination, sourcePort, destinationPort, mark } = packet();
  const ofSet = { family, protocol, source, destination, sourcePort, destinationPort, mark };
  const set = (name: string, more = {}) =>
    ({
      kind: 'set',
      name,
      directions: ['src', 'dst'],
      packet: { ...ofSet, inInterface: 'eth0', ...more },
    }) as const;
  answers.give(set('banned'), true);
  answers.give(set('banned', { outInterface: 'eth1' }), false);
  answers.give(set('odd'), undefined);
  t.equal(asked('-m set --match-set banned src,dst', packet(), answers), 'yes');
  const routed = { ...packet(), outInterface: 'eth1' };
  t.equal(asked('-m set --match-set banned src,dst', routed, answers), 'no');
  t.match(asked('-m set --match-set odd src,dst', packet(), answers), /set odd/);
  const back = { kind: 'reverse-path', family, source, destination, inInterface: 'eth0' } as const;
  answers.give({ ...back, mark: 0, loose: false }, true);
  answers.give({ ...back, mark: 0, loose: true }, undefined);
  answers.give({ ...back, mark: 7, loose: false }, false);
  t.equal(asked('-m rpfilter', packet(), answers), 'yes');
  t.equal(asked('-m rpfilter --invert', packet(), answers), 'no');
  t.match(asked('-m rpfilter --loose', packet(), answers), /answer to 198.51.100.9/);
  t.equal(asked('-m rpfilter --validmark', packet({ mark: 7 }), answers), 'no');
  t.equal(asked('-m rpfilter', made(), answers), 'yes');
  answers.give({ kind: 'bridged', family: 4, interface: 'eth0' }, false);
  answers.give({ kind: 'bridged', family: 4, interface: 'br0' }, true);
  t.equal(asked('-m physdev --physdev-is-bridged', packet(), answers), 'no');
  t.equal(asked('-m physdev ! --physdev-in veth1', packet(), answers), 'yes');
  t.match(
    asked('-m physdev --physdev-in v', packet({ inInterface: 'br0' }), answers),
    /physdev-in/,
  );
  t.equal(asked('-m physdev --physdev-in v', made(), answers), 'no');
  t.equal(asked('-m owner --uid-owner 0', packet()), 'no');
  t.equal(asked('-m owner --uid-owner 100-200', made({ uid: 150 })), 'yes');
  t.match(asked('-m owner --uid-owner 0', made()), /uid-owner/);
  t.equal(asked('-m owner --socket-exists', made()), 'yes');
  t.equal(asked('-m policy --dir in --pol none', packet()), 'yes');
  t.equal(asked('-m policy --dir in --pol ipsec', packet()), 'no');
  t.match(asked('-m policy --strict', packet()), /strict/);
  t.equal(asked('-m mac --mac-source 02:00:00:00:00:01', made()), 'no');
  t.match(asked('-m mac --mac-source 02:00:00:00:00:01', packet()), /02:00/);
});

t.test('what nobody can know is told, and does not hide what is known', async (t) => {
  const limited = '-p tcp -m tcp --dport 80 -m limit --limit 5/min';
  t.equal(asked(limited, packet()), 'the rate is within the limit (--limit 5/min)');
  t.equal(asked(limited, packet({ destinationPort: 81 })), 'no');
  t.equal(asked('-m limit --limit 5/min -p udp', packet()), 'no');
  t.equal(asked('-m u32 --u32 "0>>28=4"', packet()), '“-m u32 --u32 0>>28=4” holds');
});
