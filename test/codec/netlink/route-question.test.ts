import t from 'tap';
import { attribute, readAttributes, u32 } from '../../../src/codec/netlink/netlink-message.js';
import { readFoundRoute, routeRequest } from '../../../src/codec/netlink/route-question.js';
import { addressBytes, type IpAddress } from '../../../src/core/address.js';

const ip = (text: string) => text as IpAddress;
const lookup: Parameters<typeof routeRequest>[0] = {
  ...{ family: 4, destination: ip('192.0.2.1'), mark: 0, tos: 0 },
  ...{ protocol: 6, sourcePort: 40_000, destinationPort: 80 },
};

/** The header, and the attributes by their numbers, as hexadecimal text. */
function written(of: Parameters<typeof routeRequest>[0]): Record<string, string> {
  const { body } = routeRequest(of);
  const attributes = [...readAttributes(body.subarray(12))];
  return {
    header: body.toString('hex', 0, 12),
    ...Object.fromEntries(attributes.map(([type, value]) => [type, value.toString('hex')])),
  };
}

t.test('questions', async (t) => {
  t.strictSame(written(lookup), {
    header: '022000000000000000000000',
    1: 'c0000201',
    27: '06',
    28: '9c40',
    29: '0050',
  });
  const forwarded = { ...lookup, source: ip('198.51.100.9'), inInterface: 7, mark: 9, tos: 0x13 };
  t.strictSame(written({ ...forwarded, protocol: 1, sourcePort: 0, destinationPort: 0 }), {
    header: '022020100000000000000000',
    1: 'c0000201',
    2: 'c6336409',
    3: '07000000',
    16: '09000000',
  });
  const six = { ...lookup, family: 6, destination: ip('2001:db8::1'), tos: 0x10 } as const;
  t.match(written({ ...six, protocol: 17, sourcePort: 0, destinationPort: 0 }), {
    header: '0a8000000000000000000000',
    27: '11',
  });
});

t.test('answers', async (t) => {
  const header = Buffer.alloc(12);
  header[7] = 1;
  const gateway = attribute(5, addressBytes(ip('192.0.2.254')));
  const source = attribute(7, addressBytes(ip('192.0.2.9')));
  const body = Buffer.concat([header, attribute(4, u32(3)), gateway, source]);
  t.strictSame(readFoundRoute(24, body), {
    type: 'unicast',
    outInterface: 3,
    gateway: '192.0.2.254',
    source: '192.0.2.9',
  });
  header[7] = 99;
  t.strictSame(readFoundRoute(24, header), { type: 'unspecified' });
  t.equal(readFoundRoute(2, header), undefined);
  t.equal(readFoundRoute(24, Buffer.alloc(4)), undefined);
});
