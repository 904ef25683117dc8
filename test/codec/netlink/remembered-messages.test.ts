/** What the host remembers of MAC addresses, as bytes; the kernel's side is in test/kernel/advertisements.test.ts. */
import t from 'tap';
import {
  changeNeighbourRequest,
  getForwardingRequest,
  getNeighbourRequest,
  parseRemembered,
  removeForwardingRequest,
} from '../../../src/codec/netlink/remembered-messages.js';
import { parseIp, parseMac } from '../../../src/core/address.js';

const address = parseIp('192.0.2.17') as never;
const mac = parseMac('02:42:c0:00:02:11') as never;
const hex = ({ body }: { readonly body: Buffer }) => body.toString('hex');
const newNeighbour = 28;

t.test('requests for neighbours', async (t) => {
  // ndmsg: IPv4, interface 7; NDA_DST.
  const question = getNeighbourRequest(address, 7);
  t.equal(hex(question), `020000000700000000000000${'08000100c0000211'}`);
  t.match(question, { type: 30, flags: 4 });
  const ipv6 = getNeighbourRequest(parseIp('2001:db8::11') as never, 7);
  t.match(hex(ipv6), /^0a0000000700000000000000140001002001/);
  // NUD_STALE; NDA_LLADDR.
  const change = changeNeighbourRequest(address, 7, mac);
  t.equal(
    hex(change),
    `020000000700000004000000${'08000100c0000211'}${'0a0002000242c00002110000'}`,
  );
  t.match(change, { type: newNeighbour, flags: 0x104 }, 'acknowledged; only one that is there');
  t.strictSame(parseRemembered(newNeighbour, change.body), { interface: 7, mac, isFixed: false });
});

t.test('requests for forwarding entries of bridges', async (t) => {
  // AF_BRIDGE, no interface; NDA_LLADDR; NDA_MASTER.
  const question = getForwardingRequest(mac, 3);
  t.equal(hex(question), `070000000000000000000000${'0a0002000242c00002110000'}0800090003000000`);
  t.match(question, { type: 30, flags: 4 });
  // NTF_MASTER.
  const removal = removeForwardingRequest(mac, 5);
  t.equal(hex(removal), `070000000500000000000400${'0a0002000242c00002110000'}`);
  t.match(removal, { type: 29, flags: 4 });
});

t.test('answers of the kernel are read', async (t) => {
  const { body } = removeForwardingRequest(mac, 5);
  for (const [state, isFixed] of [
    [0x02, false],
    [0x40, true],
    [0x80, true],
  ] as const) {
    body.writeUInt16LE(state, 8);
    t.strictSame(parseRemembered(newNeighbour, body), { interface: 5, mac, isFixed });
  }
  const unanswered = getNeighbourRequest(address, 7).body;
  t.strictSame(parseRemembered(newNeighbour, unanswered), { interface: 7, isFixed: false });
  t.equal(parseRemembered(29, body), undefined, 'a removal');
  t.equal(parseRemembered(newNeighbour, body.subarray(0, 8)), undefined);
});
