import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import * as addresses from '../../../src/codec/netlink/address-messages.js';
import * as links from '../../../src/codec/netlink/link-messages.js';
import { formatRequest, type NetlinkRequest } from '../../../src/codec/netlink/netlink-message.js';
import {
  addRouteRequest,
  listRoutesRequest,
  routeParser,
} from '../../../src/codec/netlink/route-messages.js';
import { cidrText, parseCidr, parseIp, parseMac } from '../../../src/core/address.js';
import { parseInterfaceName } from '../../../src/core/names.js';

const known = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the test gives a value that does not parse');
  return value;
};
const name = (text: string) => known(parseInterfaceName(text));
const cidr = (text: string) => known(parseCidr(text));

/** From its length to its end, without the sequence number: as `strace -e write` shows `ip`. */
function wire(request: NetlinkRequest): string {
  const bytes = formatRequest(request, 0).toString('hex');
  return bytes.slice(0, 16) + bytes.slice(32);
}
const captured = (...lines: readonly string[]) => lines.join('').replaceAll(' ', '');

/** What kernel 6.18 answered, type and body without the header. */
const replies = JSON.parse(
  readFileSync(new URL('../../fixtures/netlink-replies.json', import.meta.url), 'utf8'),
) as Record<string, { type: number; body: string }[]>;
const repliesOf = (what: string) =>
  (replies[what] ?? []).map(({ type, body }) => ({ type, body: Buffer.from(body, 'hex') }));

t.test('requests are those of `ip`, byte by byte (iproute2 6.1)', async (t) => {
  const mac = known(parseMac('02:42:01:02:03:04'));
  t.equal(
    wire(links.createBridgeRequest({ name: name('br-cap2'), mac })),
    captured(
      '48000000 10000506 00000000 00000000 00000000 00000000',
      '0a000100 02420102 03040000 0c000300 62722d63 61703200',
      '10001200 0a000100 62726964 67650000',
    ),
    'ip link add address … name br-cap2 type bridge',
  );
  const veth = {
    kind: 'veth' as const,
    names: { host: name('vhost'), container: name('vpeer') },
    bridge: name('br-cap'),
    mtu: 1400,
    hairpin: true,
  };
  t.equal(
    wire(links.createVethRequest(veth, 2)),
    captured(
      '84000000 10000506 00000000 00000000 01000000 01000000',
      '08000400 78050000 08000d00 00000000 08000a00 02000000 0a000300 76686f73 74000000',
      '40001200 08000100 76657468 34000200 30000100 00000000 00000000 00000000 00000000',
      '08000400 78050000 08000d00 00000000 0a000300 76706565 72000000',
    ),
    'ip link add mtu 1400 txqueuelen 0 master br-cap up name vhost type veth peer …',
  );
  t.equal(
    wire(links.createPairRequest('tsb-in', { name: 'tsb-out', namespaceFd: 5 }, 1400)),
    captured(
      '74000000 10000506 00000000 00000000 00000000 00000000',
      '08000400 78050000 0b000300 7473622d 696e0000',
      '40001200 08000100 76657468 34000200 30000100 00000000 00000000 00000000 00000000',
      '08000400 78050000 0c000300 7473622d 6f757400 08001c00 05000000',
    ),
    'ip link add mtu 1400 name tsb-in type veth peer mtu 1400 name tsb-out netns …',
  );
  t.equal(
    wire(addresses.addAddressRequest(2, cidr('10.5.0.1/24'))),
    captured(
      '30000000 14000506 02180000 02000000 08000200 0a050001 08000100 0a050001',
      '08000400 0a0500ff',
    ),
    'ip addr add 10.5.0.1/24 broadcast +',
  );
  t.equal(
    wire(addresses.addAddressRequest(2, cidr('fd00::1/64'))),
    captured(
      '40000000 14000506 0a400200 02000000',
      '14000200 fd000000 00000000 00000000 00000001',
      '14000100 fd000000 00000000 00000000 00000001',
    ),
    'ip addr add fd00::1/64 nodad',
  );
  t.equal(
    wire(addresses.removeAddressRequest(2, cidr('10.5.0.1/24'))),
    captured('28000000 15000500 02180000 02000000 08000200 0a050001 08000100 0a050001'),
    'ip addr del 10.5.0.1/24',
  );
  t.equal(
    wire(addRouteRequest(2, cidr('192.0.2.0/24'), known(parseIp('10.5.0.9')))),
    captured(
      '34000000 18000506 02180000 fe030001 00000000 08000100 c0000200 08000500 0a050009',
      '08000400 02000000',
    ),
    'ip route add 192.0.2.0/24 via 10.5.0.9',
  );
  t.equal(
    wire(addRouteRequest(2, cidr('198.51.100.7/32'), undefined)),
    captured('2c000000 18000506 02200000 fe03fd01 00000000 08000100 c6336407 08000400 02000000'),
    'ip route add 198.51.100.7',
  );
});

t.test('other requests of rtnetlink have the bytes that ip sends', async (t) => {
  t.match(
    wire(links.portRequest('vhost', { hairpin: true })),
    captured('0c000500 05000400 01000000'),
    'the port options of `ip link set vhost type bridge_slave hairpin on`',
  );
  t.match(wire(links.portRequest('vhost', { hairpin: false })), captured('05000400 00000000'));
  t.match(wire(links.portRequest('vhost', { isolated: true })), captured('05002100 01000000'));
  const { setLinkRequest } = links;
  t.equal(setLinkRequest('x', { up: false }).type, 19);
  t.match(wire(setLinkRequest('x', { up: false })), captured('00000000 01000000 06000300 7800'));
  t.match(wire(setLinkRequest(5, { up: true, mtu: 1300 })), captured('01000000 01000000 08000400'));
  const all = { master: 3, mac: known(parseMac('02:42:01:02:03:04')), rename: 'y', namespaceFd: 9 };
  t.equal(
    wire(setLinkRequest(5, all)),
    captured(
      '44000000 13000500 00000000 05000000 00000000 00000000',
      '08001c00 09000000 06000300 79000000 0a000100 02420102 03040000 08000a00 03000000',
    ),
  );
  t.match(wire(links.getLinkRequest('lo')), captured('08001d00 08000000 07000300 6c6f0000'));
  t.match(wire(links.getLinkRequest(7)), captured('12000500 00000000 07000000'));
  t.equal(
    wire(links.listLinksRequest('veth')),
    captured(
      '34000000 12000103 00000000 00000000 00000000 00000000',
      '08001d00 08000000 0c001280 08000100 76657468',
    ),
    'links of one kind, without their counters',
  );
  t.equal(
    wire(addresses.listAddressesRequest(7)),
    captured('18000000 16000103 00000000 07000000'),
    'the addresses of one link',
  );
  t.equal(
    wire(listRoutesRequest(6)),
    captured('1c000000 1a000103 0a000000 fe000001 00000000'),
    'unicast routes of the main table',
  );
  const veth = {
    kind: 'veth' as const,
    names: { host: name('a'), container: name('b') },
    bridge: name('c'),
    mtu: undefined,
    hairpin: false,
  };
  t.notMatch(wire(links.createVethRequest(veth, 2)), '08000400', 'no MTU');
  t.match(wire(links.listPortsRequest(3)), /08000a0003000000/, 'by the index of their bridge');
  const withMac = { ...veth, hostMac: known(parseMac('02:42:01:02:03:04')) };
  t.match(
    wire(links.createVethRequest(withMac, 2)),
    /0a000100024201020304/,
    'the MAC address of the host’s end',
  );
  t.notMatch(
    wire(addresses.addAddressRequest(2, cidr('10.0.0.1/31'))),
    '08000400',
    'a subnet of two has no broadcast address',
  );
  const ipv6 = addRouteRequest(2, cidr('2001:db8::/32'), undefined);
  t.equal(ipv6.body[6], 0, 'the scope is always universe for IPv6');
  const fallback = addRouteRequest(2, cidr('0.0.0.0/0'), known(parseIp('10.5.0.1')));
  t.notMatch(fallback.body.subarray(12).toString('hex'), '08000100', 'no destination');
});

t.test('link messages of rtnetlink are read as ip reads them', async (t) => {
  const parsed = [...repliesOf('vethOnBridge'), ...repliesOf('bridge'), ...repliesOf('loopback')];
  t.same(
    parsed.map(({ type, body }) => links.parseLink(type, body)),
    [
      {
        index: 4,
        name: 'vhost',
        kind: 'veth',
        up: true,
        mtu: 1400,
        master: 2,
        hairpin: true,
        isolated: false,
      },
      {
        index: 2,
        name: 'br-cap',
        kind: 'bridge',
        up: true,
        mtu: 1400,
        master: undefined,
        hairpin: undefined,
        isolated: undefined,
      },
      {
        index: 1,
        name: 'lo',
        kind: undefined,
        up: true,
        mtu: 65536,
        master: undefined,
        hairpin: undefined,
        isolated: undefined,
      },
    ],
  );
  t.equal(links.parseLink(20, Buffer.alloc(16)), undefined, 'another type');
  t.equal(links.parseLink(16, Buffer.alloc(15)), undefined, 'cut off');
  t.match(links.parseLink(16, Buffer.alloc(16)), { name: '', mtu: 0, up: false });
});

t.test('address messages of rtnetlink are written and read as ip does', async (t) => {
  const both = new Set([1, 2]);
  const parsed = repliesOf('addresses').map(({ type, body }) =>
    addresses.parseAddress(type, body, both),
  );
  t.same(
    parsed.slice(0, 4).map((found) => found && `${found.index} ${cidrText(found.cidr)}`),
    ['1 127.0.0.1/8', '2 10.5.0.1/24', '1 ::1/128', '2 fd00:5::1/64'],
  );
  const ipv4 = Buffer.from(replies.addresses?.[1]?.body ?? '', 'hex');
  t.equal(addresses.parseAddress(16, ipv4, both), undefined, 'another type');
  t.equal(addresses.parseAddress(20, ipv4.subarray(0, 7), both), undefined, 'cut off');
  t.equal(addresses.parseAddress(20, ipv4.subarray(0, 8), both), undefined, 'no address');
  const other = Buffer.concat([Buffer.from([7]), ipv4.subarray(1)]);
  t.equal(addresses.parseAddress(20, other, both), undefined, 'another family');
  t.equal(addresses.parseAddress(20, ipv4, new Set([1])), undefined, 'another link');
});

t.test('route messages of rtnetlink are written and read as ip does', async (t) => {
  const parseRoute = routeParser(['0.0.0.0/0', '::/0'].map(cidr));
  const parse = (what: string) =>
    repliesOf(what).flatMap(({ type, body }) => {
      const route = parseRoute(type, body);
      return route === undefined ? [] : [`${route.interfaceIndex} ${cidrText(route.destination)}`];
    });
  t.same(parse('ipv4Routes'), ['2 10.5.0.0/24', '2 100.64.0.0/10', '2 192.0.2.0/24']);
  t.same(parse('ipv6Routes'), ['2 fd00:5::/64', '2 fe80::/64']);
  const body = Buffer.from(replies.ipv4Routes?.[0]?.body ?? '', 'hex');
  t.equal(parseRoute(25, body), undefined, 'another type');
  t.equal(parseRoute(24, body.subarray(0, 11)), undefined, 'cut off');
  t.equal(parseRoute(24, body.subarray(0, 12)), undefined, 'a default route');
  for (const [offset, value, why] of [
    [0, 7, 'no family of ours'],
    [7, 2, 'an address of the host'],
    [9, 2, 'an entry of the cache'],
  ] as const) {
    const other = Buffer.from(body);
    other[offset] = value;
    t.equal(parseRoute(24, other), undefined, why);
  }
  for (const [subnet, isMet] of [
    ['10.5.0.0/24', true],
    ['10.5.0.7/32', true],
    ['10.0.0.0/8', true],
    ['10.4.0.0/15', true],
    ['10.6.0.0/15', false],
    ['10.5.1.0/24', false],
    ['fd00::/8', false],
  ] as const) {
    const [route] = repliesOf('ipv4Routes').flatMap(
      (reply) => routeParser([cidr(subnet)])(reply.type, reply.body) ?? [],
    );
    t.equal(route?.destination.address === '10.5.0.0', isMet, `10.5.0.0/24 and ${subnet}`);
  }
  const noLink = parseRoute(24, body.subarray(0, 28));
  t.equal(noLink?.interfaceIndex, undefined);
});

t.test('any bytes are parsed as link, address or route, or refused', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.constantFrom(16, 20, 24), (bytes, type) => {
      const body = Buffer.from(bytes);
      links.parseLink(type, body);
      addresses.parseAddress(type, body, new Set([0]));
      routeParser([cidr('10.0.0.0/8'), cidr('::/0')])(type, body);
    }),
  );
  t.pass('without an exception');
});

t.test('a link is deleted by its name', async (t) => {
  // `ip` looks its index up before; by then another link can have that name.
  t.equal(
    wire(links.deleteLinkRequest('veth1')),
    captured('2c000000 11000500', '00'.repeat(16), '0a000300 76657468 31000000'),
  );
});
