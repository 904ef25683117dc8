import t from 'tap';
import { attribute, nested, text, u32Be } from '../../../src/codec/netlink/netlink-message.js';
import { listChainsRequest, parseBaseChain } from '../../../src/codec/nf-tables/nft-chains.js';

/** A body of NFT_MSG_NEWCHAIN. The kernel's own answers are read in test/kernel/trace.test.ts. */
const chain = (family: number, ...attributes: Buffer[]) =>
  Buffer.concat([Buffer.from([family, 0, 0, 0]), ...attributes]);
const named = [attribute(1, text('filter')), attribute(3, text('FORWARD'))];
const hook = (number: number) => nested(4, attribute(1, u32Be(number)), attribute(2, u32Be(0)));

t.test('base chains at the hooks of routed packets are read, and no others', async (t) => {
  t.match(listChainsRequest, { type: 0xa04, flags: 0x300 });
  t.strictSame(parseBaseChain(0xa03, chain(2, ...named, hook(2))), {
    ...{ family: 'ip', table: 'filter', chain: 'FORWARD', hook: 'FORWARD', policy: 'accept' },
  });
  t.match(parseBaseChain(0xa03, chain(1, ...named, hook(4))), {
    family: 'inet',
    hook: 'POSTROUTING',
  });
  t.match(parseBaseChain(0xa03, chain(10, ...named, hook(1), attribute(5, u32Be(0)))), {
    ...{ family: 'ip6', hook: 'INPUT', policy: 'drop' },
  });
  t.equal(parseBaseChain(0xa03, chain(2, ...named)), undefined, 'no base chain');
  t.equal(parseBaseChain(0xa03, chain(2, ...named, hook(5))), undefined, 'ingress');
  t.equal(parseBaseChain(0xa03, chain(2, ...named, nested(4, attribute(1, text('x'))))), undefined);
  t.equal(parseBaseChain(0xa03, chain(7, ...named, hook(2))), undefined, 'of bridges');
  t.equal(parseBaseChain(0xa03, chain(2, hook(2))), undefined);
  t.equal(parseBaseChain(0xa06, chain(2, ...named, hook(2))), undefined, 'a rule');
  t.equal(parseBaseChain(0xa03, Buffer.alloc(2)), undefined);
});
