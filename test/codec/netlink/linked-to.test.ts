/** The other end of a veth, of the kernel's answer about one end. */
import t from 'tap';
import { parseLinkedTo, parseMacAddress } from '../../../src/codec/netlink/link-messages.js';
import { attribute, u32 } from '../../../src/codec/netlink/netlink-message.js';

/** struct ifinfomsg, which is not looked at, and attributes. */
const answer = (...attributes: readonly Buffer[]) =>
  Buffer.concat([Buffer.alloc(16), ...attributes]);
const link = 5;
const linkNamespace = 37;

t.test('the index of the other end, and whether it is in another namespace', async (t) => {
  const here = answer(attribute(link, u32(7)));
  t.strictSame(parseLinkedTo(here), { index: 7, isElsewhere: false });
  const elsewhere = answer(attribute(link, u32(7)), attribute(linkNamespace, u32(0)));
  t.strictSame(parseLinkedTo(elsewhere), { index: 7, isElsewhere: true });
  t.equal(parseLinkedTo(answer()), undefined, 'a link that has none');
  t.equal(parseLinkedTo(answer(attribute(link, u32(0)))), undefined);
});

t.test('the MAC address of a link', async (t) => {
  const address = 1;
  const mac = Buffer.from('0242c0000211', 'hex');
  t.equal(parseMacAddress(answer(attribute(address, mac))), '02:42:c0:00:02:11');
  t.equal(parseMacAddress(answer(attribute(address, mac.subarray(0, 4)))), undefined, 'a tunnel');
  t.equal(parseMacAddress(answer()), undefined);
});
