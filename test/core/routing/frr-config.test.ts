/** What `tsbridge frr-config` prints, whole; FRR itself reads it in test/engine/hosts.test.ts. */
import t from 'tap';
import { parseCidr } from '../../../src/core/address.js';
import { frrConfig } from '../../../src/core/routing/frr-config.js';
import type { FrrRequest, FrrWords, HostAddress } from '../../../src/core/routing/request.js';
import { readFrrRequest } from '../../../src/core/routing/request.js';
import { GoldenFile } from '../../golden/golden-file.js';

const golden = new GoldenFile('frr-config');

const words = (more: Partial<FrrWords> = {}): FrrWords => ({
  ...{ protocol: 'bgp', as: 65_001, area: undefined, routerId: undefined },
  ...{ interfaces: ['eth1'], pools: ['10.9.1.0/24'], hostRoutes: [] },
  ...more,
});

function accepted(more: Partial<FrrWords> = {}): FrrRequest {
  const request = readFrrRequest(words(more));
  if (!('protocol' in request)) throw new Error(request.join('\n'));
  return request;
}

const addressOf = (device: string, text: string): HostAddress[] => {
  const cidr = parseCidr(text);
  return cidr === undefined ? [] : [{ device, cidr }];
};

const asked: Readonly<Record<string, Partial<FrrWords>>> = {
  'bgp, one link, one range': {},
  'bgp, two links, both families, prefixes behind containers': {
    ...{ interfaces: ['eth1', 'eth2', 'eth1'], routerId: '10.255.0.1' },
    pools: ['10.9.1.0/24', '10.9.2.0/30', 'fd00:9:1::/48'],
    hostRoutes: ['10.88.0.0/16', '10.77.0.7/32', 'fd00:88::/32'],
  },
  'bgp, IPv6 only': { pools: ['fd00:9:1::/48'] },
  'ospf, one switch': { protocol: 'ospf', as: undefined, interfaces: ['eth0'] },
  'ospf, an area, two interfaces, prefixes behind containers': {
    ...{ protocol: 'ospf', as: undefined, area: '0.0.0.7', routerId: '10.255.0.1' },
    ...{ interfaces: ['eth0', 'bond0.7'], hostRoutes: ['10.88.0.0/16'] },
  },
};

for (const [title, more] of Object.entries(asked)) {
  t.test(title, (t) => {
    const lines = frrConfig(accepted(more)).trimEnd().split('\n');
    t.strictSame(lines, golden.expected(title, lines));
    t.match(lines.join('\n'), /^[ -~\n]*$/, 'plain characters only');
    t.end();
  });
}

t.test('nothing else is in the golden file', (t) => {
  t.strictSame(golden.finish(), []);
  t.end();
});

t.test('everything that is wrong is said at once', (t) => {
  const refused = (more: Partial<FrrWords>): string => {
    const said = readFrrRequest(words(more), [
      ...addressOf('eth1', '192.0.2.1/24'),
      ...addressOf('br-app', '10.9.1.1/24'),
    ]);
    return 'protocol' in said ? 'accepted' : said.join('\n');
  };
  t.equal(refused({}), 'accepted', 'the address of a bridge may be in a range');
  t.match(
    refused({ as: undefined, area: '0', interfaces: [], pools: [], routerId: '::1' }),
    /--interface is missing.*\n--router-id ::1: use an IPv4 address.*\n--pool is missing: .*\n--area is of OSPF\n--as is missing: /,
  );
  for (const as of [23_456, 65_535, 4_294_967_295]) t.match(refused({ as }), /is reserved/);
  t.match(refused({ pools: ['10.9.1.5/24'] }), /did you mean 10.9.1.0\/24\?/);
  t.match(refused({ pools: ['0.0.0.0/0'] }), /that is everything/);
  t.match(refused({ pools: ['10.9.1.0/31'] }), /too small for a subnet/);
  t.match(refused({ pools: ['192.0.0.0/16'] }), /covers 192.0.2.1\/24 of eth1, which is the way/);
  t.match(refused({ hostRoutes: ['10.9.0.0/16'] }), /10.9.0.0\/16 overlaps --pool 10.9.1.0\/24/);
  t.match(refused({ routerId: '0.0.0.0' }), /that no other host has/);
  for (const name of ['a b', 'a|b', 'eth0?', '!eth', 'all', 'more-than-15-bytes']) {
    t.match(refused({ interfaces: [name] }), /not a name that FRR takes/, name);
  }
  const ospf = { protocol: 'ospf', as: undefined } as const;
  t.match(refused({ protocol: 'ospf' }), /^--as is of BGP$/);
  t.match(refused({ ...ospf, pools: ['fd00::/48'] }), /carries IPv4 only; use bgp/);
  for (const area of ['x', '4294967296', '::']) t.match(refused({ ...ospf, area }), /--area/, area);
  t.end();
});
