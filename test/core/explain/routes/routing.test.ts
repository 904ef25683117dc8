/** How packets are routed by tables and rules that were read: what the kernel's own look-up would find. */
import t from 'tap';
import { readRouting } from '../../../../src/codec/routing.js';
import type { Family, IpAddress } from '../../../../src/core/address.js';
import type { RouteQuestion } from '../../../../src/core/explain/facts.js';
import { routePacket } from '../../../../src/core/explain/routes/route-packets.js';
import { ip } from '../host.js';

type Row = Readonly<Record<string, unknown>>;

const plainRules: Readonly<Record<Family, readonly Row[]>> = {
  4: [
    { priority: 0, src: 'all', table: 'local' },
    { priority: 32766, src: 'all', table: 'main' },
    { priority: 32767, src: 'all', table: 'default' },
  ],
  6: [
    { priority: 0, src: 'all', table: 'local' },
    { priority: 32766, src: 'all', table: 'main' },
  ],
};
const own = { type: 'local', table: 'local', protocol: 'kernel' };
const plainRoutes: readonly Row[] = [
  { ...own, dst: '127.0.0.0/8', dev: 'lo' },
  { ...own, dst: '192.0.2.1', dev: 'eth0' },
  { ...own, type: 'broadcast', dst: '192.0.2.255', dev: 'eth0' },
  { ...own, dst: '172.20.0.1', dev: 'br0' },
  { dst: '192.0.2.0/24', dev: 'eth0', protocol: 'kernel' },
  { dst: '172.20.0.0/16', dev: 'br0', protocol: 'kernel' },
  { dst: 'default', gateway: '192.0.2.254', dev: 'eth0', flags: [] },
];
const plainRoutes6: readonly Row[] = [
  { ...own, dst: '::1', dev: 'lo' },
  { ...own, type: 'anycast', dst: '2001:db8::', dev: 'eth0' },
  { dst: '2001:db8::/64', dev: 'eth0', metric: 256 },
  { dst: 'default', gateway: '2001:db8::fe', dev: 'eth0', metric: 1024 },
];

interface Host {
  readonly rules?: readonly Row[];
  readonly routes?: readonly Row[];
  readonly settings?: Readonly<Record<string, number>>;
  readonly bare?: string;
}

type Asked = Partial<Omit<RouteQuestion, 'destination' | 'source'>> & {
  readonly source?: string;
  /** Of a socket that is bound to it; no question of the simulation has one. */
  readonly outInterface?: string;
};

/** `eth0`, `eth0 by 192.0.2.254`, `host`, `nowhere: …`, `unknown: …` */
function routed(destination: string, asked: Asked = {}, host: Host = {}): string {
  const { rules = [], routes = [], settings = {}, bare } = host;
  const family: Family = destination.includes(':') ? 6 : 4;
  const { source, ...rest } = asked;
  const routing = (of: Family) =>
    readRouting(
      of,
      [...plainRules[of], ...rules].sort((a, b) => Number(a.priority) - Number(b.priority)),
      [...routes, ...(of === 4 ? plainRoutes : plainRoutes6)],
    );
  const forwards = { 'eth0 forwarding': 1, 'br0 forwarding': 1 };
  const all: Readonly<Record<string, number>> = { ...forwards, ...settings };
  const answer = routePacket(
    {
      routing: { 4: routing(4), 6: routing(6) },
      settings: { of: (device, name) => all[`${device} ${name}`] ?? 0 },
      hasAddress: (device) => device !== bare,
    },
    {
      ...{ kind: 'route', family, destination: ip(destination), mark: 0, tos: 0, protocol: 6 },
      ...{ sourcePort: 40_000, destinationPort: 80, ...rest },
      ...(source === undefined ? {} : { source: ip(source) as IpAddress }),
    },
  );
  if (answer.to === 'host') return 'host';
  if (answer.to !== 'interface') return `${answer.to}: ${answer.words}`;
  return answer.gateway === undefined
    ? answer.outInterface
    : `${answer.outInterface} by ${answer.gateway}`;
}

const fromOutside = { inInterface: 'eth0', source: '203.0.113.9' };
const fromContainer = { inInterface: 'br0', source: '172.20.0.2' };
const noRoute = 'nowhere: there is no route';
const refused =
  'nowhere: the source is refused: reverse path filter, or an address that nobody may send from';
const prohibited = 'nowhere: a route prohibits it';
const stopped = 'nowhere: the host does not forward, or the route says unreachable';

t.test('tables: the longest prefix, then type of service, then metric', async (t) => {
  t.equal(routed('203.0.113.9'), 'eth0 by 192.0.2.254');
  t.equal(routed('172.20.0.2'), 'br0');
  t.equal(routed('203.0.113.9', { outInterface: 'eth0' }), 'eth0 by 192.0.2.254');
  t.match(routed('203.0.113.9', { outInterface: 'br0' }), /^nowhere/, 'of a socket that is bound');
  t.equal(routed('192.0.2.1'), 'host');
  t.equal(routed('127.0.0.9'), 'host');
  t.equal(routed('192.0.2.255'), 'eth0', 'sent as a broadcast');
  t.equal(routed('2001:db8::7'), 'eth0');
  t.equal(routed('2001:db8:9::7'), 'eth0 by 2001:db8::fe');
  t.equal(routed('2001:db8::'), 'host', 'anycast');
  const routes = [
    { dst: '10.0.0.0/8', dev: 'eth0', metric: 20 },
    { dst: '10.0.0.0/8', dev: 'br0', metric: 10 },
    { dst: '10.0.0.0/8', dev: 'eth0', tos: '0x10', metric: 90 },
    { dst: '10.9.0.0/16', dev: 'dead0', flags: ['dead', 'linkdown'] },
    { dst: 'nonsense', dev: 'eth0' },
  ];
  t.equal(routed('10.0.0.1', {}, { routes }), 'br0');
  t.equal(routed('10.0.0.1', { tos: 0x11 }, { routes }), 'eth0');
  t.equal(routed('10.9.0.1', {}, { routes }), 'br0', 'a way that is down is none');
});

t.test('routes that refuse, and tables that go on', async (t) => {
  const routes = [
    { dst: '10.1.0.0/16', type: 'unreachable' },
    { dst: '10.2.0.0/16', type: 'blackhole' },
    { dst: '10.3.0.0/16', type: 'prohibit' },
    { dst: '10.4.0.0/16', type: 'throw' },
    { dst: '10.5.0.0/16', type: 'nat', dev: 'eth0' },
  ];
  t.equal(routed('10.1.0.1', {}, { routes }), stopped);
  t.equal(routed('10.2.0.1', {}, { routes }), refused);
  t.equal(routed('10.3.0.1', {}, { routes }), prohibited);
  t.equal(routed('10.4.0.1', {}, { routes }), noRoute);
  t.equal(routed('10.5.0.1', {}, { routes }), 'nowhere: the route says nat');
});

t.test('what a hash decides is not known', async (t) => {
  const two = [
    { gateway: '192.0.2.3', dev: 'eth0', flags: [] },
    { gateway: '192.0.2.4', dev: 'eth0', flags: [] },
  ];
  const hash = /^unknown: which one of several equal ways to 10.0.0.1/;
  t.match(routed('10.0.0.1', {}, { routes: [{ dst: '10.0.0.0/8', nexthops: two }] }), hash);
  const equal = ['eth0', 'br0'].map((dev) => ({ dst: 'fd00::/8', dev, metric: 5 }));
  t.match(routed('fd00::1', {}, { routes: equal }), /several equal ways to fd00::1/);
  t.match(routed('224.0.0.9'), /^unknown: where 224.0.0.9, a multicast address/);
  t.match(routed('ff02::1'), /^unknown: where ff02::1/);
  const wide = [{ ...own, dst: '10.0.0.0/8', dev: 'lo', protocol: 'static' }];
  const narrow = [...wide, { dst: '10.0.0.0/24', dev: 'eth0' }];
  t.match(routed('10.0.0.1', {}, { routes: narrow }), /unknown: whether table local is asked/);
  t.equal(routed('10.1.0.1', {}, { routes: narrow }), 'host');
  const rules = [{ priority: 9, src: '1.1.1.1', table: 'main' }];
  t.equal(routed('10.0.0.1', {}, { routes: narrow, rules }), 'host', 'a rule parts the tables');
});

t.test('rules: what they ask for, and what they do', async (t) => {
  const routes = [{ dst: 'default', dev: 'br0', table: '100' }];
  const by = (rule: Row, asked: Asked = {}) =>
    routed('203.0.113.9', asked, {
      routes,
      rules: [{ priority: 100, src: 'all', table: '100', ...rule }],
    });
  const other = 'eth0 by 192.0.2.254';
  t.equal(by({}), 'br0');
  t.equal(by({ not: null }), other);
  t.equal(by({ src: '192.0.2.0', srclen: 24 }), other);
  t.equal(by({ src: '192.0.2.0', srclen: 24 }, { source: '192.0.2.1' }), 'br0');
  t.equal(by({ src: '192.0.2.0', srclen: 24, not: null }, { source: '192.0.2.1' }), other);
  t.equal(by({ dst: '203.0.113.9' }), 'br0');
  t.equal(by({ dst: '203.0.113.8' }), other);
  t.equal(by({ iif: 'lo' }), 'br0');
  t.equal(by({ iif: 'br0' }), other);
  t.equal(by({ iif: 'br0' }, fromContainer), 'br0');
  t.equal(by({ oif: 'br0' }), other, 'a socket of the host that is bound to an interface');
  t.equal(by({ fwmark: '0x2', fwmask: '0x2' }, { mark: 3 }), 'br0');
  t.equal(by({ fwmark: '0x2', fwmask: '0x2' }, { mark: 1 }), other);
  t.equal(by({ fwmark: '0x3' }, { mark: 3 }), 'br0');
  t.equal(by({ tos: '0x10' }, { tos: 0x10 }), 'br0');
  t.equal(by({ tos: '0x10' }), other);
  t.equal(by({ ipproto: 'tcp' }), 'br0');
  t.equal(by({ ipproto: 'ipv6-icmp' }), other);
  t.equal(by({ ipproto: '6' }), 'br0');
  t.equal(by({ sport: 40_000, dport_start: 79, dport_end: 90 }), 'br0');
  t.equal(by({ sport: 1 }), other);
  t.equal(by({ dport_start: 81, dport_end: 90 }), other);
  t.equal(by({ suppress_prefixlen: 0 }), other);
  t.equal(by({ action: 'blackhole', table: undefined }), refused);
  t.equal(by({ action: 'unreachable', table: undefined }), noRoute);
  t.equal(by({ action: 'prohibit', table: undefined }), prohibited);
  t.equal(by({ action: 'nop', table: undefined }), other);
  t.equal(by({ action: 'to_tbl' }), 'br0');
  t.equal(by({ goto: 32_766, table: undefined }), other);
  t.equal(by({ goto: 50, table: undefined }), noRoute, 'none leads back');
  const part = /^unknown: whether rule 100 of ip rule fits \(.*\) cannot be read/;
  t.match(by({ l3mdev: null }), part);
  t.match(by({ others: ['tun_id'] }), part);
  t.match(by({ ipproto: 'strange' }, { protocol: 17 }), part);
  const does = /^unknown: what rule 100 of ip rule does cannot be read/;
  t.match(by({ action: 'strange' }), does);
  t.match(by({ table: undefined }), does);
  t.equal(by({ uid_start: 0, src: '9.9.9.9' }), other, 'what surely does not fit');
  t.match(by({ l3mdev: null, not: null }), part);
  t.equal(by({ l3mdev: null, not: null, src: '9.9.9.9' }), 'br0', 'what surely fits');
});

t.test('IPv6: by the source, and refusals', async (t) => {
  const routes = [
    { dst: 'fd00::/8', from: 'fd01::/16', dev: 'br0', metric: 1 },
    { dst: 'fd00::/8', from: 'default', dev: 'eth0', metric: 1 },
    { dst: '2001:db8:66::/48', type: 'unreachable', dev: 'lo' },
  ];
  t.equal(routed('fd00::9', { source: 'fd01::1' }, { routes }), 'br0');
  t.equal(routed('fd00::9', { source: 'fd02::1' }, { routes }), 'eth0');
  t.equal(routed('2001:db8:66::1', {}, { routes }), stopped);
});

t.test('a packet that arrives: forwarding, and addresses that no packet has', async (t) => {
  t.equal(routed('172.20.0.2', fromOutside), 'br0');
  t.equal(routed('192.0.2.1', fromOutside), 'host');
  t.equal(routed('192.0.2.255', { ...fromOutside, source: '192.0.2.9' }), 'host');
  const off = { settings: { 'eth0 forwarding': 0 } };
  t.equal(routed('172.20.0.2', fromOutside, off), stopped);
  t.equal(routed('192.0.2.1', fromOutside, off), 'host');
  const routes = [
    { dst: '10.3.0.0/16', type: 'prohibit' },
    { dst: '10.5.0.0/16', type: 'nat', dev: 'eth0' },
  ];
  t.equal(routed('10.3.0.1', fromOutside, { routes }), prohibited);
  t.equal(routed('10.3.0.1', fromOutside, { routes, ...off }), stopped);
  t.equal(routed('10.5.0.1', fromContainer, { routes }), refused);
  for (const source of ['224.0.0.1', '255.255.255.255', '0.0.0.1']) {
    t.equal(routed('192.0.2.1', { ...fromOutside, source }), refused, source);
  }
  t.equal(routed('0.0.0.1', fromOutside), refused);
  t.equal(routed('192.0.2.1', { inInterface: 'eth0' }), refused);
  t.equal(routed('203.0.113.7', { source: '10.9.9.9' }), refused, 'not one of its own');
});

t.test('route_localnet', async (t) => {
  const closed = /^nowhere: 127.0.0.\d passes only where net.ipv4.conf.eth0.route_localnet is 1/;
  t.match(routed('127.0.0.1', fromOutside), closed);
  t.match(routed('192.0.2.1', { ...fromOutside, source: '127.0.0.5' }), closed);
  t.equal(routed('127.0.0.1', fromOutside, { settings: { 'eth0 route_localnet': 1 } }), 'host');
  t.equal(routed('127.0.0.1', fromOutside, { settings: { 'all route_localnet': 1 } }), 'host');
});

t.test('reverse path filter, as fib_validate_source', async (t) => {
  const wrong = { inInterface: 'eth0', source: '172.20.0.9' };
  const filter = (value: number, more: Host['settings'] = {}) => ({
    settings: { 'eth0 rp_filter': value, ...more },
  });
  t.equal(routed('192.0.2.1', wrong), 'host', 'no filter');
  t.equal(routed('192.0.2.1', wrong, filter(1)), refused);
  t.equal(routed('192.0.2.1', wrong, filter(2)), 'host', 'loose');
  t.equal(routed('192.0.2.1', wrong, { settings: { 'all rp_filter': 1 } }), refused);
  t.equal(routed('192.0.2.1', fromOutside, filter(1)), 'host');
  t.equal(
    routed('192.0.2.1', wrong, { ...filter(2), bare: 'eth0' }),
    refused,
    'without an address',
  );
  const itself = { inInterface: 'eth0', source: '192.0.2.1' };
  t.equal(routed('192.0.2.1', itself), refused, 'an address of its own');
  t.equal(routed('192.0.2.1', itself, filter(0, { 'eth0 accept_local': 1 })), 'host');
  t.equal(routed('192.0.2.1', itself, filter(1, { 'eth0 accept_local': 1 })), 'host');
  t.equal(routed('192.0.2.1', itself, filter(1)), refused);
  const redirects = filter(0, { 'eth0 send_redirects': 1 });
  t.equal(routed('203.0.113.7', wrong, redirects), 'eth0 by 192.0.2.254');
  t.equal(routed('203.0.113.7', { ...wrong, source: '192.0.2.1' }, redirects), refused);
  const unknown = [{ dst: '10.0.0.0/8', nexthops: [{ dev: 'eth0' }, { dev: 'br0' }] }];
  const from10 = { inInterface: 'eth0', source: '10.0.0.1' };
  t.match(routed('192.0.2.1', from10, { ...filter(1), routes: unknown }), /^unknown: /);
  const none = [{ dst: '10.0.0.0/8', type: 'unreachable' }];
  t.equal(routed('192.0.2.1', from10, { ...filter(1), routes: none }), refused);
  const rules = [{ priority: 5, src: '9.9.9.9', table: 'main' }];
  t.equal(routed('192.0.2.1', from10, { rules, routes: none }), 'host', 'no filter, own rules');
  const marked = [{ priority: 5, src: 'all', fwmark: '0x7', table: '7' }];
  const way = [{ dst: '10.0.0.0/8', dev: 'br0', table: '7' }];
  const valid = filter(1, { 'eth0 src_valid_mark': 1 });
  const with7 = { ...from10, mark: 7 };
  t.equal(routed('192.0.2.1', with7, { ...filter(1), rules: marked, routes: way }), 'host');
  t.equal(routed('192.0.2.1', with7, { ...valid, rules: marked, routes: way }), refused);
});
