import t from 'tap';
import { flowQuestion, readFlowAnswer } from '../../../src/codec/netlink/flow-question.js';
import { attribute, nested, u8, u16Be, u32Be } from '../../../src/codec/netlink/netlink-message.js';
import { addressBytes, type IpAddress } from '../../../src/core/address.js';

const asked = {
  ...({ family: 4, protocol: 17 } as const),
  ...{ source: '198.51.100.77' as IpAddress, destination: '192.0.2.1' as IpAddress },
  ...{ sourcePort: 40_000, destinationPort: 53 },
};

/** As ctnetlink writes CTA_TUPLE_ORIG and CTA_TUPLE_REPLY. */
function tuple(type: number, source: string, destination: string, ports: readonly number[]) {
  return nested(
    type,
    nested(
      1,
      attribute(1, addressBytes(source as IpAddress)),
      attribute(2, addressBytes(destination as IpAddress)),
    ),
    nested(2, attribute(1, u8(17)), ...ports.map((port, at) => attribute(2 + at, u16Be(port)))),
  );
}

t.test('the question has one tuple', async (t) => {
  const { type, body } = flowQuestion(asked);
  t.equal(type, 0x101);
  const original = tuple(1, '198.51.100.77', '192.0.2.1', [40_000, 53]);
  t.same(body, Buffer.concat([Buffer.from([2, 0, 0, 0]), original]));
  const echo = flowQuestion({ ...asked, protocol: 1, icmp: { type: 8, code: 0 }, sourcePort: 7 });
  // CTA_PROTO_ICMP_ID, _TYPE, _CODE.
  const parts = [attribute(4, u16Be(7)), attribute(5, u8(8)), attribute(6, u8(0))];
  t.ok(echo.body.includes(Buffer.concat(parts)));
});

t.test('the answer is the flow as the packet belongs to it', async (t) => {
  const head = Buffer.from([2, 0, 0, 0]);
  const original = tuple(1, '198.51.100.77', '192.0.2.1', [40_000, 53]);
  const reply = tuple(2, '172.20.0.9', '198.51.100.77', [5353, 40_000]);
  // IPS_CONFIRMED, IPS_DST_NAT; with IPS_SEEN_REPLY, IPS_EXPECTED.
  const answer = (bits: number, ...more: Buffer[]) =>
    Buffer.concat([head, original, reply, attribute(3, u32Be(bits)), ...more]);
  t.strictSame(readFlowAnswer(0x100, answer(8 + 32 + 2, attribute(8, u32Be(5))), asked), {
    ...{ state: 'established', direction: 'original', mark: 5 },
    original: {
      ...{ source: '198.51.100.77', destination: '192.0.2.1' },
      ...{ sourcePort: 40_000, destinationPort: 53 },
    },
    answer: {
      ...{ source: '172.20.0.9', destination: '198.51.100.77' },
      ...{ sourcePort: 5353, destinationPort: 40_000 },
    },
    ...{ sourceTranslated: false, destinationTranslated: true, confirmed: true },
  });
  t.match(readFlowAnswer(0x100, answer(8), asked), { state: 'new', mark: 0 });
  t.match(readFlowAnswer(0x100, answer(9 + 16), asked), {
    ...{ state: 'related', sourceTranslated: true },
  });
  const back = { ...asked, source: '172.20.0.9' as IpAddress, destination: asked.source };
  const ports = { sourcePort: 5353, destinationPort: 40_000 };
  t.match(readFlowAnswer(0x100, answer(8), { ...back, ...ports }), {
    ...{ state: 'established', direction: 'reply' },
  });
  t.equal(readFlowAnswer(0x101, answer(8), asked), undefined);
  t.equal(readFlowAnswer(0x100, head.subarray(0, 2), asked), undefined);
  t.equal(readFlowAnswer(0x100, Buffer.concat([head, original]), asked), undefined);
  t.match(
    readFlowAnswer(
      0x100,
      Buffer.concat([head, original, tuple(2, '10.0.0.1', '10.0.0.2', [])]),
      asked,
    ),
    {
      ...{ mark: 0, confirmed: false, answer: { sourcePort: 0, destinationPort: 0 } },
    },
  );
});
