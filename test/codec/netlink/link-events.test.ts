/** Reports of links: those of `ip link add br-0 type bridge`, of an address on it, and of a neighbour. */
import t from 'tap';
import { changedLinks } from '../../../src/codec/netlink/link-events.js';
import { attribute, headerLength, text, u32 } from '../../../src/codec/netlink/netlink-message.js';

function message(type: number, header: number, index: number, ...attributes: Buffer[]): Buffer {
  const bytes = Buffer.alloc(headerLength + header);
  if (header >= 8) bytes.writeUInt32LE(index, headerLength + 4);
  const all = Buffer.concat([bytes, ...attributes]);
  all.writeUInt32LE(all.length, 0);
  all.writeUInt16LE(type, 4);
  return all;
}

t.test('links by their names, addresses by the index of their link', async (t) => {
  const name = attribute(3, text('br-0'));
  const datagram = Buffer.concat([
    message(16, 16, 3, attribute(4, u32(1500)), name),
    message(17, 16, 4, attribute(3, text('veth1'))),
    message(20, 8, 3, attribute(1, Buffer.from([10, 0, 0, 1]))),
    message(21, 8, 5),
    message(28, 12, 9),
  ]);
  t.same(changedLinks(datagram), [{ name: 'br-0' }, { name: 'veth1' }, { index: 3 }, { index: 5 }]);
  t.same(changedLinks(message(16, 16, 8)), [{ index: 8 }], 'without a name');
  t.same(changedLinks(message(16, 12, 8)), [], 'cut off');
  t.same(changedLinks(message(20, 7, 0).subarray()), []);
});
