/** Published ports → elements of the map; and the whole table's text, which the kernel test finds printed by nft. */
import t from 'tap';
import type { Family } from '../../../src/core/address.js';
import {
  bridgeElements,
  elementText,
  mapFamilies,
  portElements,
} from '../../../src/core/port-map/elements.js';
import { changeLines, planMap } from '../../../src/core/port-map/plan.js';
import { mapTable } from '../../../src/core/port-map/table.js';
import { tableText } from '../../../src/core/port-map/table-text.js';
import { makeBinding, makeNetwork } from '../../golden/golden.js';

const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
const made = (
  options: Record<string, string> = {},
  more: { internal?: boolean; ipv6?: typeof ipv6 } = { ipv6 },
) =>
  makeNetwork(
    'br-x',
    '10.6.0.0/24',
    '10.6.0.1',
    { 'tsbridge.port_rules': 'map', ...options },
    more,
  );
const bindings = [
  makeBinding('0.0.0.0:8080', '10.6.0.2:80'),
  makeBinding('[::]:8080', '[fd00:6::2]:80'),
  // Only the proxy joins these.
  makeBinding('[::]:8443', '10.6.0.2:443'),
  makeBinding('192.0.2.1:53', '10.6.0.2:5353', 'udp'),
  makeBinding('127.0.0.1:9000', '10.6.0.2:90', 'sctp'),
  makeBinding('[::1]:9000', '[fd00:6::2]:90'),
];
const texts = (family: Family, options?: Record<string, string>) =>
  portElements(made(options), bindings, family).map(elementText);

t.test('with the proxy, which carries what the host sends to a loopback address', (t) => {
  t.strictSame(texts(4), [
    'ports 0.0.0.0 . tcp . 8080 : 10.6.0.2 . 80',
    'ports 192.0.2.1 . udp . 53 : 10.6.0.2 . 5353',
    'loopback 127.0.0.1 . sctp . 9000',
  ]);
  t.strictSame(texts(6), ['ports :: . tcp . 8080 : fd00:6::2 . 80']);
  t.strictSame(bridgeElements(made(), 6).map(elementText), ['bridges br-x']);
  t.end();
});

t.test('in hairpin mode the map translates for the host and for the container itself', (t) => {
  const hairpin = { 'tsbridge.userland_proxy': 'false' };
  t.strictSame(texts(4, hairpin), [
    'ports 0.0.0.0 . tcp . 8080 : 10.6.0.2 . 80',
    'ports 127.0.0.0 . tcp . 8080 : 10.6.0.2 . 80',
    'ports 192.0.2.1 . udp . 53 : 10.6.0.2 . 5353',
    'ports 127.0.0.1 . sctp . 9000 : 10.6.0.2 . 90',
    'loopback 127.0.0.1 . sctp . 9000',
    'itself 10.6.0.2 . 10.6.0.2',
  ]);
  t.strictSame(texts(6, hairpin), [
    'ports :: . tcp . 8080 : fd00:6::2 . 80',
    'itself fd00:6::2 . fd00:6::2',
  ]);
  t.strictSame(bridgeElements(made(hairpin), 4), [], 'its containers go through the map');
  t.end();
});

t.test('without masquerading, containers are spared the ports of their own network alone', (t) => {
  const plain = { 'com.docker.network.bridge.enable_ip_masquerade': 'false' };
  t.strictSame(texts(6, plain), [
    'ports :: . tcp . 8080 : fd00:6::2 . 80',
    'inside br-x . tcp . 8080',
    'inside br-x . tcp . 9000',
  ]);
  t.strictSame(bridgeElements(made(plain), 4), []);
  t.end();
});

t.test('families in which a network has ports in the map', (t) => {
  const routed = { 'com.docker.network.bridge.gateway_mode_ipv6': 'routed' };
  t.strictSame(mapFamilies(made()), [4, 6]);
  t.strictSame(mapFamilies(made(routed)), [4]);
  t.strictSame(mapFamilies(made({ 'tsbridge.ip6tables': 'false' })), [4]);
  t.strictSame(mapFamilies(made({}, {})), [4]);
  t.strictSame(mapFamilies(made({}, { internal: true })), []);
  t.strictSame(mapFamilies(made({ 'tsbridge.port_rules': 'docker' })), []);
  t.strictSame(bridgeElements(made({}, {}), 6), []);
  t.end();
});

t.test('an element of a stranger is told by the number of its protocol', (t) => {
  const stranger = { set: 'ports', key: ['0.0.0.0', 33, 22], data: ['10.6.0.9', 22] } as const;
  t.equal(elementText(stranger), 'ports 0.0.0.0 . 33 . 22 : 10.6.0.9 . 22');
  t.end();
});

t.test('what a repair comes to', (t) => {
  const elements = portElements(made(), bindings, 4);
  const [first, ...others] = elements;
  const byText = (some: typeof elements) => new Map(some.map((each) => [elementText(each), each]));
  const wanted = byText(elements);
  const lines = (...of: Parameters<typeof planMap>) => {
    const change = planMap(...of);
    return change === undefined ? [] : changeLines(4, change);
  };
  t.strictSame(lines(wanted, { intact: true, elements: wanted }), []);
  t.strictSame(lines(undefined, undefined), []);
  t.strictSame(lines(undefined, { intact: true, elements: wanted }), ['remove table ip tsbridge']);
  t.strictSame(lines(wanted, undefined), ['make table ip tsbridge (3 elements)']);
  t.strictSame(lines(byText(first === undefined ? [] : [first]), undefined), [
    'make table ip tsbridge (1 element)',
  ]);
  t.strictSame(lines(wanted, { intact: false, elements: new Map() }), [
    'make table ip tsbridge (3 elements)',
  ]);
  const stranger = { set: 'ports', key: ['0.0.0.0', 6, 22], data: ['10.6.0.2', 22] } as const;
  t.strictSame(lines(wanted, { intact: true, elements: byText([...others, stranger]) }), [
    'add to table ip tsbridge: ports 0.0.0.0 . tcp . 8080 : 10.6.0.2 . 80',
    'remove from table ip tsbridge: ports 0.0.0.0 . tcp . 22 : 10.6.0.2 . 22',
  ]);
  t.match(changeLines(6, { op: 'remove' }), ['remove table ip6 tsbridge']);
  t.end();
});

t.test('the tables as nft prints them', (t) => {
  t.matchOnly(
    tableText(4),
    `table ip tsbridge {
	map ports {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
	}

	set bridges {
		type ifname
	}

	set inside {
		type ifname . inet_proto . inet_service
	}

	set itself {
		type ipv4_addr . ipv4_addr
	}

	set loopback {
		type ipv4_addr . inet_proto . inet_service
	}

	chain raw {
		type filter hook prerouting priority raw + 1; policy accept;
		iifname != "lo" ip daddr 127.0.0.0/8 ip daddr . meta l4proto . th dport @loopback drop
	}

	chain prerouting {
		type nat hook prerouting priority dstnat + 1; policy accept;
		fib daddr type != local return
		iifname @bridges return
		iifname . meta l4proto . th dport @inside return
		goto translate
	}

	chain output {
		type nat hook output priority -99; policy accept;
		fib daddr type local goto translate
	}

	chain postrouting {
		type nat hook postrouting priority srcnat + 1; policy accept;
		ct status dnat ip saddr . ip daddr @itself masquerade
	}

	chain translate {
		dnat ip to ip daddr . meta l4proto . th dport map @ports
		ip daddr 127.0.0.0/8 dnat ip to ip daddr & 255.0.0.0 . meta l4proto . th dport map @ports
		ip daddr != 127.0.0.0/8 dnat ip to ip daddr & 0.0.0.0 . meta l4proto . th dport map @ports
	}
}
`,
  );
  t.match(
    tableText(6),
    `	chain translate {
		ip6 saddr fe80::/10 return
		ip6 daddr ::1 return
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports
		dnat ip6 to ip6 daddr & :: . meta l4proto . th dport map @ports
	}
`,
  );
  t.notOk(mapTable(6).sets.some(({ name }) => name === 'loopback'));
  t.end();
});
