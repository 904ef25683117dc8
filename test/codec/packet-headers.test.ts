import t from 'tap';
import { readHeaders } from '../../src/codec/packet-headers.js';

const ipv4 = (protocol: string) =>
  Buffer.from(`4500003c0000400040${protocol}00000a000001c0000201`, 'hex');
const ports = Buffer.from('9c401f9000000000000000005012', 'hex');

t.test('IPv4', async (t) => {
  const addresses = { family: 4, source: '10.0.0.1', destination: '192.0.2.1' };
  const tcp = {
    ...addresses,
    protocol: 6,
    sourcePort: 40_000,
    destinationPort: 8080,
    tcpFlags: 0x12,
  };
  t.strictSame(readHeaders(ipv4('06'), ports), tcp);
  t.strictSame(readHeaders(ipv4('11'), ports), { ...tcp, protocol: 17, tcpFlags: 0 });
  const none = { ...tcp, sourcePort: 0, destinationPort: 0, tcpFlags: 0 };
  t.strictSame(readHeaders(ipv4('01'), ports), { ...none, protocol: 1 }, 'a ping has no ports');
  t.strictSame(readHeaders(ipv4('06'), undefined), none);
  t.strictSame(readHeaders(ipv4('06'), ports.subarray(0, 3)), none, 'cut off');
});

t.test('IPv6', async (t) => {
  const head = Buffer.from(
    `6000000000141140${'fd'.padEnd(31, '0')}1${'20010db8'.padEnd(31, '0')}2`,
    'hex',
  );
  t.match(readHeaders(head, ports), {
    ...{
      family: 6,
      protocol: 17,
      source: 'fd00::1',
      destination: '2001:db8::2',
      destinationPort: 8080,
    },
  });
  t.equal(readHeaders(head.subarray(0, 39), ports), undefined);
});

t.test('no IP', async (t) => {
  t.equal(readHeaders(undefined, undefined), undefined);
  t.equal(readHeaders(ipv4('06').subarray(0, 19), undefined), undefined);
  t.equal(readHeaders(Buffer.alloc(60), undefined), undefined);
});
