import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import t from 'tap';
import {
  addressBytes,
  addressFromBytes,
  cidrText,
  contains,
  familyOf,
  hostCidr,
  isLoopback,
  isUnspecified,
  macBytes,
  macFromIpv4,
  networkOf,
  overlaps,
  parseCidr,
  parseIp,
  parseMac,
  sameCidr,
} from '../../src/core/address.js';

const cidr = (text: string) => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`not a CIDR: ${text}`);
  return parsed;
};
const ip = (text: string) => {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
};
const bytesOf = (length: 4 | 16) => fc.uint8Array({ minLength: length, maxLength: length });

t.test('IPv4: exactly what the library takes', async (t) => {
  const octet = fc.oneof(fc.nat(300).map(String), fc.stringMatching(/^[0-9 x+-]{0,4}$/));
  const quad = fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join('.'));
  fc.assert(
    fc.property(fc.oneof(quad, fc.string()), (text) => {
      const wanted = ipaddr.IPv4.isValidFourPartDecimal(text);
      return wanted ? parseIp(text) === text : !(parseIp(text) ?? ':').includes('.');
    }),
  );
  const taken = Array.from({ length: 300 }, (_, value) => value).filter((value) =>
    parseIp(`10.${value}.0.1`),
  );
  t.strictSame(taken, [...Array(256).keys()]);
});

t.test('only whole, plain addresses are taken', async (t) => {
  t.equal(parseIp('10.5.0.1'), '10.5.0.1');
  t.equal(parseIp('FD00:0:0::1'), 'fd00::1', 'in the one canonical form');
  const refused = ['', ' 10.5.0.1', '10.5.0.1\n', '10.5.0', '010.5.0.1', '0x7f.1', '10.5.0.256'];
  for (const text of [...refused, 'fe80::1%eth0', '::ffff:10.5.0.1', 'g::', '1'.repeat(50)]) {
    t.equal(parseIp(text), undefined, JSON.stringify(text));
  }
});

t.test('a CIDR needs both parts, within bounds', async (t) => {
  t.same(parseCidr('10.5.0.1/24'), { family: 4, address: '10.5.0.1', prefixLength: 24 });
  t.same(parseCidr('fd00::1/64'), { family: 6, address: 'fd00::1', prefixLength: 64 });
  for (const text of [
    '10.5.0.1',
    '10.5.0.1/',
    '10.5.0.1/33',
    '10.5.0.1/024',
    '/24',
    'fd00::/129',
  ]) {
    t.equal(parseCidr(text), undefined, text);
  }
});

t.test('bytes and text are the same address', async (t) => {
  for (const length of [4, 16] as const) {
    fc.assert(
      fc.property(bytesOf(length), (bytes) => {
        const address = addressFromBytes(bytes);
        // IPv4 in IPv6 is refused as text: it would be one address under two names.
        if (parseIp(address) === undefined) return address.includes('ffff:');
        return Buffer.compare(addressBytes(address), bytes) === 0;
      }),
    );
  }
  t.pass('for both families');
});

t.test('networks are cut to their prefix, and overlap if they share an address', async (t) => {
  t.equal(cidrText(networkOf(cidr('10.5.7.9/20'))), '10.5.0.0/20');
  t.equal(cidrText(networkOf(cidr('fd00:1:2:3:4::1/64'))), 'fd00:1:2:3::/64');
  t.equal(cidrText(networkOf(cidr('10.5.7.9/0'))), '0.0.0.0/0');
  t.equal(contains(cidr('10.5.0.0/16'), ip('10.5.255.1')), true);
  t.equal(contains(cidr('10.5.0.0/16'), ip('10.6.0.0')), false);
  t.equal(contains(cidr('0.0.0.0/0'), ip('255.1.2.3')), true);
  t.equal(contains(cidr('10.5.0.0/16'), ip('fd00::1')), false, 'families do not mix');
  t.equal(contains(cidr('fd00::/64'), ip('fd00::ffff')), true);
  t.equal(overlaps(cidr('10.5.0.0/16'), cidr('10.5.9.0/24')), true);
  t.equal(overlaps(cidr('10.5.9.0/24'), cidr('10.5.0.0/16')), true, 'either way round');
  t.equal(overlaps(cidr('10.5.0.0/24'), cidr('10.5.1.0/24')), false);
  t.equal(sameCidr(cidr('10.5.0.1/24'), cidr('10.5.0.1/25')), false);
  t.equal(cidrText(hostCidr(ip('fd00::1'))), 'fd00::1/128');
});

t.test('a prefix contains an address if their leading bits are the same', async (t) => {
  fc.assert(
    fc.property(bytesOf(4), bytesOf(4), fc.integer({ min: 0, max: 32 }), (a, b, prefixLength) => {
      const network = { family: 4 as const, address: addressFromBytes(a), prefixLength };
      const same = cidrText(networkOf(network));
      const other = cidrText(networkOf({ ...network, address: addressFromBytes(b) }));
      return contains(network, addressFromBytes(b)) === (same === other);
    }),
  );
  t.pass();
});

t.test('unspecified and loopback addresses are recognized', async (t) => {
  t.same(
    ['127.9.9.9', '::1', '10.0.0.1', '::2'].map((a) => isLoopback(ip(a))),
    [true, true, false, false],
  );
  t.same(
    ['0.0.0.0', '::', '::1'].map((a) => isUnspecified(ip(a))),
    [true, true, false],
  );
  t.equal(familyOf(ip('::')), 6);
});

t.test('MAC addresses are parsed, and multicast ones refused', async (t) => {
  t.equal(parseMac('02:42:0A:05:00:02'), '02:42:0a:05:00:02');
  for (const text of [
    '',
    '02:42:0a:05:00',
    '02-42-0a-05-00-02',
    '01:00:5e:00:00:01',
    '00:00:00:00:00:00',
  ]) {
    t.equal(parseMac(text), undefined, `${text}: incomplete, multicast or nothing`);
  }
  t.equal(macFromIpv4('10.77.0.99' as Parameters<typeof macFromIpv4>[0]), '02:42:0a:4d:00:63');
  const mac = parseMac('02:42:0a:4d:00:63');
  t.same(mac && [...macBytes(mac)], [2, 0x42, 10, 0x4d, 0, 0x63]);
});
