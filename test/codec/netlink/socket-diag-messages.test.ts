/** TCP connections by sock_diag: the bytes of `ss -K`, and the kernel's own. */
import t from 'tap';
import {
  endConnectionRequest,
  listConnectionsRequest,
  parseConnection,
} from '../../../src/codec/netlink/socket-diag-messages.js';

const zeros = (count: number) => '00'.repeat(count);
/** struct inet_diag_msg: ports, addresses, interface and cookie; then its counters. */
const message = (family: string, local: string, peer: string) =>
  Buffer.from(
    `${family}0100001f90c351${local}${peer}${zeros(4)}0102030405060708${zeros(20)}`,
    'hex',
  );
const four = message('02', `c0000201${zeros(12)}`, `c6336407${zeros(12)}`);

t.test('connections are asked for by family, without listeners', async (t) => {
  const { type, flags, body } = listConnectionsRequest(6);
  t.same([type, flags], [20, 0x300]);
  t.equal(body.toString('hex'), `0a060000320b0000${zeros(48)}`);
});

t.test('a connection is read, and ended by the very id that the kernel gave', async (t) => {
  const found = parseConnection(20, four);
  t.match(found, { family: 4, local: '192.0.2.1', localPort: 8080 });
  t.match(found, { peer: '198.51.100.7', peerPort: 50_001 });
  if (found === undefined) throw new Error('not read');
  const { type, flags, body } = endConnectionRequest(found);
  t.same([type, flags], [21, 4]);
  t.equal(body.toString('hex'), `02060000320b0000${four.subarray(4, 52).toString('hex')}`);
  const mapped = `${zeros(10)}ffff`;
  const both = message('0a', `${mapped}c0000201`, `${mapped}c6336407`);
  t.match(parseConnection(20, both), { family: 6, local: '192.0.2.1', peer: '198.51.100.7' });
  const six = message('0a', `20010db8${zeros(11)}01`, `20010db8${zeros(11)}02`);
  t.match(parseConnection(20, six), { local: '2001:db8::1', peer: '2001:db8::2' });
});

t.test('what is no connection is left out', async (t) => {
  t.equal(parseConnection(21, four), undefined);
  t.equal(parseConnection(20, four.subarray(0, 51)), undefined);
  t.equal(parseConnection(20, Buffer.from([1, ...four.subarray(1)])), undefined);
});
