/** Proxy entries as bytes; that the kernel takes and lists them is shown in test/kernel/host-routes.test.ts. */
import t from 'tap';
import {
  addProxyRequest,
  listProxiesRequest,
  parseProxy,
  removeProxyRequest,
} from '../../../src/codec/netlink/neighbour-messages.js';
import { parseIp } from '../../../src/core/address.js';

const address = parseIp('fd00:5::2') as never;
const newNeighbour = 28;

t.test('an entry, both ways', async (t) => {
  const add = addProxyRequest(address, 7);
  t.equal(
    add.body.toString('hex'),
    // ndmsg: IPv6, interface 7, NTF_PROXY; NDA_DST; NDA_PROTOCOL 201.
    '0a00000007000000000008001400010' + '0fd0000050000000000000000000000020500' + '0c00c9000000',
  );
  t.strictSame(removeProxyRequest(address, 7).body, add.body);
  t.strictSame(parseProxy(newNeighbour, add.body), { address, interface: 7, isOurs: true });
  const withoutNumber = add.body.subarray(0, 12 + 20);
  t.match(parseProxy(newNeighbour, withoutNumber), { isOurs: false }, 'a kernel before 5.0');
  t.equal(listProxiesRequest(4).body.toString('hex'), '020000000000000000000800');
  t.equal(listProxiesRequest(6).body.toString('hex'), '0a0000000000000000000800');
});

t.test('what is no entry', async (t) => {
  const { body } = addProxyRequest(address, 7);
  t.equal(parseProxy(29, body), undefined, 'a removal');
  t.equal(parseProxy(newNeighbour, body.subarray(0, 8)), undefined);
  t.equal(parseProxy(newNeighbour, body.subarray(0, 12)), undefined, 'without an address');
  const neighbour = Buffer.from(body);
  neighbour[10] = 0;
  t.equal(parseProxy(newNeighbour, neighbour), undefined, 'a neighbour');
  const bridge = Buffer.from(body);
  bridge[0] = 7;
  t.equal(parseProxy(newNeighbour, bridge), undefined, 'an entry of a bridge');
});
