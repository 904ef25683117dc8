import t from 'tap';
import { formatRequest } from '../../src/codec/netlink-message.js';
import { deleteRulesBatch } from '../../src/codec/nft-messages.js';

/** By linux/netfilter/nf_tables.h; that the kernel takes it is shown in kernel/rule-deletion.test.ts. */
t.test('a transaction that deletes rules by handle has the bytes that nft sends', async (t) => {
  const rule = { table: 'nat', chain: 'DOCKER', handle: 258 } as const;
  const bytes = deleteRulesBatch(4, [rule, { ...rule, table: 'filter', handle: 2 ** 40 }]).map(
    (request, index) => formatRequest(request, index + 1).toString('hex'),
  );
  const frame = (type: string, sequence: string) =>
    `14000000${type}0100${sequence}000000000000000a`;
  t.equal(bytes[0], frame('1000', '01000000'));
  t.equal(
    bytes[1],
    [
      ['34000000', '080a', '0100', '02000000', '00000000', '02000000'],
      ['08000100', '6e617400', '0b000200', '444f434b45520000', '0c000300', '0000000000000102'],
    ]
      .flat()
      .join(''),
    'no acknowledgement of this one',
  );
  t.match(bytes[2], /^38000000080a0500030000000{8}02000000/);
  t.match(bytes[2], /0b00010066696c74657200/);
  t.match(bytes[2], /0c0003000000010000000000$/);
  t.equal(bytes[3], frame('1100', '04000000'));
  const [, only] = deleteRulesBatch(6, [rule]);
  t.equal(only?.body[0], 10, 'AF_INET6');
  t.equal(only?.flags, 4);
});
