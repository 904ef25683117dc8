import t from 'tap';
import { type Cidr, parseCidr } from '../../../src/core/address.js';
import { parseTraceDestination, parseTracePlace } from '../../../src/core/trace/ends.js';
import {
  both,
  combined,
  type Pattern,
  possible,
  protocolPatterns,
} from '../../../src/core/trace/pattern.js';

const cidr = (text: string) => parseCidr(text) as Cidr;

t.test('conditions are asked once, and in an order in which they can be', async (t) => {
  const port = { is: 'port', port: 53 } as const;
  const tcp = { is: 'protocol', protocol: 6 } as const;
  const source = { is: 'source', cidr: cidr('10.0.0.0/8') } as const;
  const group = { is: 'destination', cidr: cidr('ff00::/8'), not: true } as const;
  const pattern: Pattern = [port, source, tcp, source, tcp, group];
  t.strictSame(possible([pattern]), [[{ is: 'family', family: 4 }, tcp, port, source]]);
  const toHost = { is: 'to-host' } as const;
  const eth0 = { is: 'arrives', interface: 'eth0' } as const;
  t.strictSame(
    possible([[toHost, group, eth0, source, port]]),
    [[{ is: 'family', family: 4 }, port, source, eth0, toHost]],
    'what few packets fit comes first, and the look-up of a route last',
  );
  t.strictSame(possible([[toHost, group, eth0]]), [[eth0, group, toHost]]);
  t.strictSame(possible([[group]]), [[group]], 'what it is not says nothing of its family');
});

t.test('what no packet can be is left out', async (t) => {
  const of = (family: 4 | 6) => ({ is: 'family', family }) as const;
  const arrives = (name: string) => ({ is: 'arrives', interface: name }) as const;
  const protocol = (number: number) => ({ is: 'protocol', protocol: number }) as const;
  t.strictSame(possible([[of(4), { is: 'source', cidr: cidr('fd00::/64') }]]), []);
  t.strictSame(possible([[protocol(6), protocol(17)]]), []);
  t.strictSame(possible([[arrives('eth0'), arrives('eth1')]]), []);
  t.strictSame(possible([[arrives('eth0'), { is: 'made-here' }]]), []);
  t.strictSame(possible(both([[of(4)], [of(6)]], protocolPatterns(1))), [
    [of(4), protocol(1)],
    [of(6), protocol(58)],
  ]);
  t.strictSame(protocolPatterns(17), [[protocol(17)]]);
});

t.test('ends as people type them', async (t) => {
  t.strictSame(parseTracePlace('any'), { kind: 'any' });
  t.match(parseTracePlace('10.0.0.0/8'), { kind: 'cidr', cidr: { prefixLength: 8 } });
  t.strictSame(parseTracePlace('web@shop'), { kind: 'container', name: 'web', network: 'shop' });
  t.equal(parseTracePlace('a b'), undefined);
  const ends: [string, unknown][] = [
    [':8080', { protocol: 6, port: 8080 }],
    [':53/udp', { protocol: 17, port: 53 }],
    ['any/icmp', { place: { kind: 'any' }, protocol: 1 }],
    ['web:80', { place: { kind: 'container', name: 'web' }, protocol: 6, port: 80 }],
    ['2001:db8::1', { place: { kind: 'address', address: '2001:db8::1' } }],
    [
      '[2001:db8::1]:53/udp',
      { place: { kind: 'address', address: '2001:db8::1' }, protocol: 17, port: 53 },
    ],
    [
      '[fe80::1]%eth0:53',
      {
        place: { kind: 'address', address: 'fe80::1', interface: 'eth0' },
        ...{ protocol: 6, port: 53 },
      },
    ],
    ['10.0.0.0/8', { place: { kind: 'cidr', cidr: cidr('10.0.0.0/8') } }],
    ['10.0.0.0/8:22', { place: { kind: 'cidr', cidr: cidr('10.0.0.0/8') }, protocol: 6, port: 22 }],
  ];
  for (const [typed, meant] of ends) t.strictSame(parseTraceDestination(typed), meant, typed);
  for (const typed of ['web:0', 'web:70000', 'web:80/icmp', 'web/quic', 'a b:80', '', ':']) {
    t.equal(parseTraceDestination(typed), undefined, typed);
  }
});

t.test('patterns that differ in their ports only are one', async (t) => {
  const tcp = { is: 'protocol', protocol: 6 } as const;
  const port = (number: number) => ({ is: 'port', port: number }) as const;
  const toHost = { is: 'to-host' } as const;
  const source = { is: 'source', cidr: cidr('10.0.0.0/8') } as const;
  t.strictSame(
    combined([
      [tcp, port(80), toHost],
      [source],
      [tcp, port(81), toHost],
      [tcp, port(80)],
      [port(1), port(2)],
      [source],
    ]),
    [
      [tcp, { is: 'ports', ports: [80, 81] }, toHost],
      [source],
      [tcp, port(80)],
      [port(1), port(2)],
    ],
  );
  t.strictSame(possible([[toHost, { is: 'ports', ports: [1, 2] }]]), [
    [{ is: 'ports', ports: [1, 2] }, toHost],
  ]);
});
