/** Frames as bytes; that neighbours take them is shown in test/kernel/advertisements.test.ts. */
import t from 'tap';
import { advertisementFrame } from '../../src/codec/neighbour-frames.js';
import { parseIp, parseMac } from '../../src/core/address.js';

const mac = parseMac('02:42:c0:00:02:11') as never;
const frame = (address: string) => advertisementFrame(parseIp(address) as never, mac);

t.test('gratuitous ARP', async (t) => {
  t.equal(
    frame('192.0.2.17').toString('hex'),
    [
      // Ethernet: to all, from the container, ARP.
      ...['ffffffffffff', '0242c0000211', '0806'],
      // Ethernet and IPv4, request; from the container, for its own address.
      ...['0001', '0800', '06', '04', '0001'],
      ...['0242c0000211', 'c0000211', '000000000000', 'c0000211'],
    ].join(''),
  );
});

t.test('an unsolicited neighbour advertisement', async (t) => {
  const bytes = frame('2001:db8::11');
  t.equal(
    bytes.toString('hex'),
    [
      ...['333300000001', '0242c0000211', '86dd'],
      // IPv6: 32 bytes of ICMPv6, hop limit 255.
      ...['60000000', '0020', '3a', 'ff'],
      ...['20010db8000000000000000000000011', 'ff020000000000000000000000000001'],
      // Neighbour advertisement, override, target and its link-layer address.
      ...['8800', '36b8', '20000000', '20010db8000000000000000000000011'],
      ...['0201', '0242c0000211'],
    ].join(''),
  );
  const sums = ['2001:db8::12', 'fe80::ffff:ffff:ffff:ffff', 'fd00:ffff:ffff:ffff:ffff:ffff::'].map(
    (address) => sumOf(frame(address)),
  );
  t.strictSame(
    sums,
    [0xffff, 0xffff, 0xffff],
    'RFC 8200: all words with the checksum add up to this',
  );
});

/** The ones' complement sum of the pseudo header and the message. */
function sumOf(bytes: Buffer): number {
  const packet = bytes.subarray(14);
  const pseudo = Buffer.concat([packet.subarray(8, 40), Buffer.from('000000200000003a', 'hex')]);
  const all = Buffer.concat([pseudo, packet.subarray(40)]);
  let sum = 0;
  for (let at = 0; at < all.length; at += 2) {
    sum += all.readUInt16BE(at);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}
