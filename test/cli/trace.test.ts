/** From words to the packets that `tsbridge trace` looks for. */
import t from 'tap';
import { noNamesView } from '../../src/cli/inventory/names.js';
import { InventoryView } from '../../src/cli/inventory/view.js';
import { TraceResolver, type TraceSelection } from '../../src/cli/trace/resolve.js';
import { cidrText, parseCidr } from '../../src/core/address.js';
import { parseTraceDestination, parseTracePlace } from '../../src/core/trace/ends.js';
import type { Condition } from '../../src/core/trace/pattern.js';
import type { HostAnswers } from '../../src/host/look/host-answers.js';
import type { InventoryPort } from '../../src/operator/inventory/inventory.js';

const network = '51e0'.padEnd(64, '0');
const port: Omit<InventoryPort, 'hostIp'> = {
  ...{
    protocol: 'tcp',
    hostPort: 8080,
    containerPort: 80,
    path: 'dnat',
    by: 'docker',
    since: null,
  },
  ...{ containerIp: '172.20.0.2' },
};
const common = {
  network,
  mac: '',
  veth: 'v',
  phase: 'ready',
  sandbox: null,
  limits: { down: null, up: null },
  routes: { inside: [], host: [] },
  answeredOn: null,
  publishFrom: null,
} as const;
const view = new InventoryView(
  {
    networks: [
      {
        id: network,
        bridge: 'br-1',
        subnets: ['172.20.0.0/16'],
        mtu: null,
        internal: false,
        phase: 'ready',
        test: false,
      },
    ],
    endpoints: [
      {
        ...{ ...common, id: 'c0ff'.padEnd(64, '0'), ipv4: '172.20.0.2/16', ipv6: null },
        ports: [
          { ...port, hostIp: '0.0.0.0' },
          { ...port, hostIp: '192.0.2.1', protocol: 'udp', hostPort: 53, containerPort: 53 },
        ],
      },
      {
        ...common,
        id: 'd0ff'.padEnd(64, '0'),
        ipv4: '172.20.0.3/16',
        ipv6: 'fd00::3/64',
        ports: [],
      },
    ],
    unreadable: [],
    source: 'daemon',
    warnings: [],
  },
  {
    ...noNamesView,
    containerOf: (id) => (id.startsWith('c0') ? { id: '', name: 'web' } : { id: '', name: 'db' }),
  },
  { containers: undefined, counters: undefined },
);

const own = ['192.0.2.1/24', '172.20.0.1/16', '172.20.9.1/24'].flatMap(
  (text) => parseCidr(text) ?? [],
);
const hostWith = (uplink: string | undefined) =>
  ({
    addresses: {
      networks: () => own,
      addressesOf: (_name: string, family: number) =>
        own.filter((cidr) => family === cidr.family).slice(0, 1),
    },
    routeTo: async (address: string) =>
      uplink === undefined || address.includes(':')
        ? { to: 'nowhere', words: 'no route' }
        : { to: 'interface', outInterface: uplink },
  }) as unknown as HostAnswers;

/** A line for each pattern. */
async function patterns(
  from: string,
  to: string,
  more: Partial<TraceSelection> = {},
  uplink?: string,
) {
  const wish = { from: parseTracePlace(from), to: parseTraceDestination(to), ...more };
  const filter = await new TraceResolver(hostWith(uplink ?? 'eth0'), view).filter(wish);
  return filter.map((pattern) => pattern.map(words).join(', '));
}

function words(condition: Condition): string {
  if ('cidr' in condition) {
    return `${condition.is} ${condition.not ? 'not ' : ''}${cidrText(condition.cidr)}`;
  }
  const [value] = Object.values(condition).slice(1);
  return value === undefined ? condition.is : `${condition.is} ${value}`;
}

const noGroup4 = 'destination not 224.0.0.0/4';
const noGroup6 = 'destination not ff00::/8';

t.test('everything but what hosts say to all', async (t) => {
  t.strictSame(await patterns('any', 'any'), [`family 4, ${noGroup4}`, `family 6, ${noGroup6}`]);
  t.strictSame(await patterns('any', '224.0.0.251:5353/udp'), [
    'family 4, protocol 17, port 5353, destination 224.0.0.251/32',
  ]);
});

t.test('places of the host', async (t) => {
  t.strictSame(await patterns('host', '10.0.0.0/8'), [
    'family 4, destination 10.0.0.0/8, made-here',
  ]);
  t.strictSame(await patterns('elsewhere', ':8080'), [
    `family 4, protocol 6, port 8080, arrives eth0, ${noGroup4}, source not 192.0.2.0/24, to-host`,
  ]);
  t.strictSame(await patterns('lan', 'host'), [
    `family 4, source 192.0.2.0/24, arrives eth0, ${noGroup4}, to-host`,
  ]);
  t.strictSame(await patterns('192.0.2.9%eth0', 'lan'), [
    `family 4, source 192.0.2.9/32, destination 192.0.2.0/24, arrives eth0, ${noGroup4}`,
  ]);
  const outside = await patterns('web', 'elsewhere:53/udp');
  t.strictSame(outside, [
    `family 4, protocol 17, port 53, source 172.20.0.2/32, ${noGroup4}, destination not 192.0.2.0/24, destination not 172.20.0.0/16`,
  ]);
  const bare = new TraceResolver(hostWith(undefined), view);
  await t.rejects(bare.filter({ from: { kind: 'lan' } }), /no default route/);
});

t.test('a container, also by its published ports', async (t) => {
  t.strictSame(await patterns('any', 'web:80'), [
    `family 4, protocol 6, port 80, destination 172.20.0.2/32, ${noGroup4}`,
    `family 4, protocol 6, port 8080, ${noGroup4}, to-host`,
  ]);
  t.strictSame(await patterns('any', 'any', { container: 'web' }), [
    `family 4, source 172.20.0.2/32, ${noGroup4}`,
    `family 4, destination 172.20.0.2/32, ${noGroup4}`,
    `family 4, protocol 6, port 8080, ${noGroup4}, to-host`,
    `family 4, protocol 17, port 53, destination 192.0.2.1/32, ${noGroup4}`,
  ]);
  t.equal((await patterns('db', 'any')).length, 2, 'of both families');
});

t.test('networks', async (t) => {
  const expected = [
    `family 4, source 172.20.0.0/16, ${noGroup4}`,
    `family 4, destination 172.20.0.0/16, ${noGroup4}`,
  ];
  t.strictSame(await patterns('any', 'any', { network: 'br-1' }), expected);
  t.strictSame(await patterns('br-1', 'any'), expected.slice(0, 1));
});

t.test('what is not there', async (t) => {
  await t.rejects(patterns('nobody', 'any'), /no container or network nobody/);
  await t.rejects(patterns('any', 'any', { container: 'br-1' }), /no container br-1/);
  await t.rejects(patterns('any', 'any', { network: 'web' }), /no container or network web/);
  const unknown = new TraceResolver(hostWith('eth0'), undefined);
  await t.rejects(unknown.filter({ container: 'web' }), /no container web/);
  await t.rejects(patterns('10.0.0.1', '[fd00::1]:80'), /no packet can be/);
});
