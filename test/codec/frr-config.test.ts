import t from 'tap';
import { parseFrrConfig, parseFrrRoutes, parseRunningConfig } from '../../src/codec/frr-config.js';
import { cidrText } from '../../src/core/address.js';
import type { ListedPrefix } from '../../src/core/doctor/routing-facts.js';

/** As `show running-config` of FRR 8.4.4 and 10.7.1 has it; the file has the same lines in another order. */
const running = `Building configuration...

Current configuration:
!
frr version 8.4.4
hostname lab
!
router bgp 65001
 neighbor eth0 interface remote-as external
 !
 address-family ipv4 unicast
  redistribute kernel route-map TSBRIDGE-ADDRESSES
  redistribute connected route-map TSBRIDGE-SUBNETS
  neighbor eth0 route-map TSBRIDGE-IN in
 exit-address-family
exit
!
router ospf
 redistribute static
exit
!
interface eth0
 redistribute connected
exit
!
ip prefix-list TSBRIDGE-SUBNETS seq 5 permit 10.9.0.0/16 le 30
ip prefix-list TSBRIDGE-ADDRESSES seq 5 permit 10.9.0.0/16 ge 32
ip prefix-list OWN permit 192.0.2.0/24
ip prefix-list OWN seq 10 deny 10.0.0.0/8 le 32
ip prefix-list OWN seq 15 permit any
ipv6 prefix-list TSBRIDGE-SUBNETS seq 10 permit fd00:9::/48 ge 56 le 126
!
end
`;

const listed = ({ list, isPermitted, cidr, least, most, sequence }: ListedPrefix) =>
  [list, sequence ?? '-', ...(isPermitted ? [] : ['not']), cidrText(cidr), `${least}-${most}`].join(
    ' ',
  );

t.test('what is announced', async (t) => {
  const { protocols, redistributed, lists } = parseFrrConfig(running);
  t.strictSame(protocols, ['bgp', 'ospf']);
  t.strictSame(
    redistributed.map(({ protocol, family, source, map = 'all' }) =>
      [protocol, family, source, map].join(' '),
    ),
    ['bgp 4 kernel TSBRIDGE-ADDRESSES', 'bgp 4 connected TSBRIDGE-SUBNETS', 'ospf 4 static all'],
  );
  t.strictSame(lists.map(listed), [
    'TSBRIDGE-SUBNETS 5 10.9.0.0/16 16-30',
    'TSBRIDGE-ADDRESSES 5 10.9.0.0/16 32-32',
    'OWN - 192.0.2.0/24 24-24',
    'OWN 10 not 10.0.0.0/8 8-32',
    'OWN 15 0.0.0.0/0 0-32',
    'TSBRIDGE-SUBNETS 10 fd00:9::/48 56-126',
  ]);
  t.strictSame(parseFrrConfig(''), { protocols: [], redistributed: [], lists: [] });
});

t.test('lines that announce nothing of this host are passed over', async (t) => {
  const odd = `router bgp 65001 vrf red
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
exit
router ospf vrf red
 redistribute connected
exit
router bgp 65009 view old
 redistribute connected
exit
vrf red
 ip route 10.0.0.0/8 blackhole
exit-vrf
router ospf6
 redistribute connected
exit
!router bgp 65002
#router ospf
router bgp 65003
# a comment ends no block
 ! redistribute connected
 no redistribute connected
 redistribute
 address-family l2vpn evpn
  redistribute connected
 exit-address-family
 address-family ipv4 multicast
  redistribute connected
 exit-address-family
 address-family ipv6 unicast
  redistribute connected route-map
 exit-address-family
 redistribute kernel route-map MINE
exit
ip prefix-list A seq 5 permit 10.1.0.0/16
ip prefix-list A seq 10 permit 10.2.0.0/16
ip prefix-list A permit 10.3.0.0/16 le 24
ip prefix-list A permit 10.4.0.0/16 le 24
ip prefix-list B permit 10.5.0.0/16
ipv6 prefix-list B permit any
no ip prefix-list A seq 10
no ip prefix-list A permit 10.3.0.0/16 le 24
no ip prefix-list A deny 10.1.0.0/16
no ip prefix-list B
no ip prefix-list
ip prefix-list C permit nonsense
ip prefix-list C permit fd00::/8
ip prefix-list C seq
ip prefix-list
ip prefix-list C description of mine
`;
  const { protocols, redistributed, lists } = parseFrrConfig(odd);
  t.strictSame(protocols, ['bgp']);
  t.strictSame(
    redistributed.map(({ family, source, map = 'all' }) => `${family} ${source} ${map}`),
    ['6 connected all', '4 kernel MINE'],
  );
  t.strictSame(lists.map(listed), [
    'A 5 10.1.0.0/16 16-16',
    'A - 10.4.0.0/16 16-24',
    'B - ::/0 0-128',
  ]);
});

t.test('what vtysh prints in place of a configuration is refused', async (t) => {
  t.strictSame(parseRunningConfig(running).protocols, ['bgp', 'ospf']);
  for (const other of ['', '% Unknown command: show running-config', '\0\ufffd{}']) {
    t.throws(() => parseRunningConfig(other), /no configuration of FRR/);
  }
});

t.test('routes of zebra', async (t) => {
  const json = '{"10.9.1.0/26":[{"protocol":"connected"}],"word":[]}';
  t.strictSame(parseFrrRoutes(json).map(cidrText), ['10.9.1.0/26']);
  t.strictSame(parseFrrRoutes('{}'), []);
  for (const other of ['% Unknown command', 'null', '[]', '"10.9.1.0/26"', '7']) {
    t.throws(() => parseFrrRoutes(other), other);
  }
});
