import t from 'tap';
import { parseFrrConfig, parseFrrRoutes } from '../../src/codec/frr-config.js';
import { cidrText } from '../../src/core/address.js';

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

t.test('what is announced', async (t) => {
  const { protocols, redistributed, lists } = parseFrrConfig(running);
  t.strictSame(protocols, ['bgp', 'ospf']);
  t.strictSame(
    redistributed.map(({ protocol, source }) => `${protocol} ${source}`),
    ['bgp kernel', 'bgp connected', 'ospf static'],
  );
  t.strictSame(
    lists.map(({ list, cidr, least, most }) => `${list} ${cidrText(cidr)} ${least}-${most}`),
    [
      'TSBRIDGE-SUBNETS 10.9.0.0/16 16-30',
      'TSBRIDGE-ADDRESSES 10.9.0.0/16 32-128',
      'OWN 192.0.2.0/24 24-24',
      'TSBRIDGE-SUBNETS fd00:9::/48 56-126',
    ],
  );
  t.strictSame(parseFrrConfig(''), { protocols: [], redistributed: [], lists: [] });
});

t.test('routes of zebra', async (t) => {
  const json = '{"10.9.1.0/26":[{"protocol":"connected"}],"word":[]}';
  t.strictSame(parseFrrRoutes(json).map(cidrText), ['10.9.1.0/26']);
  t.strictSame(parseFrrRoutes('{}'), []);
  t.throws(() => parseFrrRoutes('% Unknown command'));
});
