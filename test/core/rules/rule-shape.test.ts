import t from 'tap';
import type { Cidr, IpAddress } from '../../../src/core/address.js';
import { parseCidr } from '../../../src/core/address.js';
import type { InterfaceName } from '../../../src/core/names.js';
import type { Port } from '../../../src/core/ports/port.js';
import { probeRules } from '../../../src/core/rules/probe-rules.js';
import { type Matches, makeRule, type Target } from '../../../src/core/rules/rule.js';
import { maskedBytes, shapeOf } from '../../../src/core/rules/rule-shape.js';
import { goldenRules } from '../../golden/sample-rules.js';

const cidr = (text: string) => parseCidr(text) as Cidr;
const port = (number: number) => number as Port;
const shaped = (matches: Matches, target: Target = 'ACCEPT') =>
  shapeOf(makeRule(4, 'nat', 'DOCKER', matches, target));

t.test('addresses, names and ports are values; all else is the shape', async (t) => {
  const bridge = 'br-1' as InterfaceName;
  const rule = shaped(
    {
      source: cidr('10.1.0.0/16'),
      destination: { not: cidr('10.2.3.4/32') },
      inInterface: { not: bridge },
      outInterface: bridge,
      protocol: 'tcp',
      sourcePort: port(7),
      destinationPort: { first: port(8), last: port(9) },
      localSource: true,
      localDestination: true,
      hostDestination: true,
      established: true,
    },
    { jump: 'DOCKER' },
  );
  t.equal(
    rule?.shape,
    '4 nat -s/16 ! -d/32 ! -i -o -p tcp from-local to-local to-host established --sport --dport: jump',
  );
  t.same(rule?.values, [
    { kind: 'address', address: '10.1.0.0', prefixLength: 16 },
    { kind: 'address', address: '10.2.3.4', prefixLength: 32 },
    { kind: 'name', name: 'br-1' },
    { kind: 'name', name: 'br-1' },
    { kind: 'port', port: 7 },
    { kind: 'port', port: 8 },
    { kind: 'port', port: 9 },
    { kind: 'name', name: 'DOCKER' },
  ]);
});

t.test('translations', async (t) => {
  const address = '10.2.3.4' as IpAddress;
  const range = { first: port(8), last: port(9) };
  const one = { kind: 'address', address, prefixLength: 128 };
  const at = (number: number) => ({ kind: 'port', port: number });
  t.same(shaped({}, { snat: address }), { shape: '4 nat snat', values: [one] });
  t.same(shaped({}, { dnat: { address } }), { shape: '4 nat dnat', values: [one] });
  t.same(shaped({}, { dnat: { address, port: port(8) } })?.values, [one, at(8)]);
  t.same(shaped({}, { dnat: { address, port: range } })?.shape, '4 nat dnat:');
  const based = shaped({}, { dnat: { address, port: range, base: port(20) } });
  t.same(based, { shape: '4 nat dnat:/base', values: [one, at(8), at(9), at(20)] });
});

t.test('what iptables may write in another way has no shape, or one of its own', async (t) => {
  const destinationPort = { first: port(8), last: port(8) };
  t.equal(shaped({ protocol: 'tcp', destinationPort }), undefined, 'a range of one port');
  const address = '10.2.3.4' as IpAddress;
  t.equal(shaped({}, { dnat: { address, port: destinationPort } }), undefined);
  t.equal(shaped({ source: cidr('0.0.0.0/0') }), undefined, 'no address at all');
  const open = {
    protocol: 'tcp',
    destinationPort: { first: port(8), last: port(65_535) },
  } as const;
  t.match(shaped(open), { shape: '4 nat -p tcp --dport:65535 ACCEPT', values: [{ port: 8 }] });
  t.equal(shaped({ mark: '0x1/0xff' as never })?.shape, '4 nat mark 0x1/0xff ACCEPT');
});

t.test('examples have the shape of the rule, and no two share a value', async (t) => {
  const address = '10.2.3.4' as IpAddress;
  const range = { first: port(8), last: port(9) };
  const more = [
    makeRule(4, 'nat', 'DOCKER', {}, { dnat: { address, port: range, base: port(20) } }),
    makeRule(
      4,
      'nat',
      'DOCKER',
      { protocol: 'tcp', destinationPort: range },
      { dnat: { address } },
    ),
    makeRule(
      ...([6, 'filter', 'DOCKER'] as const),
      { protocol: 'udp', sourcePort: { first: port(1), last: port(65_535) } },
      'ACCEPT',
    ),
  ];
  for (const rule of [...goldenRules(), ...more]) {
    const examples = probeRules(rule);
    const shapes = examples.map((example) => shapeOf(example));
    for (const each of shapes) t.equal(each?.shape, shapeOf(rule)?.shape, rule.text);
    const values = shapes.flatMap((each) => each?.values ?? []).map((each) => JSON.stringify(each));
    t.equal(new Set(values).size, values.length, rule.text);
  }
});

t.test('host bits of a prefix are cleared', async (t) => {
  t.same([...maskedBytes('10.255.255.7' as IpAddress, 12)], [10, 240, 0, 0]);
  t.same([...maskedBytes('10.1.2.3' as IpAddress, 32)], [10, 1, 2, 3]);
  t.same([...maskedBytes('febf::1' as IpAddress, 10)].slice(0, 3), [0xfe, 0x80, 0]);
});
