import t from 'tap';
import { hostCidr, parseCidr, parseIp } from '../../../src/core/address.js';
import type { InterfaceName } from '../../../src/core/names.js';
import {
  canBeOne,
  describeRouteStep,
  type HostRoute,
  type ObservedHostRoute,
  planRoutes,
  routesOfEndpoint,
  routesOfNetwork,
  routeText,
} from '../../../src/core/network/routes.js';
import { parseEndpoint } from '../../../src/core/options/endpoint-options.js';
import { segmentOf } from '../../../src/core/segments/all.js';
import { endpointInput, networkSpec } from '../../fakes/inputs.js';

/** A route as `ip route` writes it. */
function route(text: string): HostRoute {
  const [prefix = '', ...words] = text.split(' ');
  const destination = parseCidr(prefix);
  if (destination === undefined) throw new Error(text);
  const after = (word: string) =>
    words.includes(word) ? words[words.indexOf(word) + 1] : undefined;
  const [via, source] = [parseIp(after('via') ?? ''), parseIp(after('src') ?? '')];
  const device = after('dev') as InterfaceName | undefined;
  return {
    destination,
    ...(via === undefined ? {} : { via }),
    ...(device === undefined ? {} : { device }),
    ...(source === undefined ? {} : { source }),
  };
}
const seen = (text: string): ObservedHostRoute => ({ device: undefined, ...route(text) });
const plan = (desired: string[], observed: string[], kept: string[] = []) =>
  planRoutes(desired.map(route), observed.map(seen), kept.map(route)).map(describeRouteStep);
const dual = {
  ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }],
};

t.test('what is missing is added, what nobody asks for is removed', async (t) => {
  const remote = '10.9.0.0/24 via 192.0.2.7';
  t.strictSame(plan([remote], [`${remote} dev eth0`]), [], 'by whatever interface');
  t.strictSame(plan([remote, remote], []), [`add the route to ${remote}`], 'once');
  t.strictSame(plan([], [`${remote} dev eth0`]), [`remove the route to ${remote} dev eth0`]);
  t.strictSame(plan([], [`${remote} dev eth0`], [remote]), [], 'a call is making it');
  t.strictSame(
    plan(
      [remote, '10.8.0.0/24 dev br-0'],
      ['10.9.0.0/24 via 192.0.2.8 dev eth0', '10.7.0.0/24 dev br-1'],
    ),
    [
      'remove the route to 10.9.0.0/24 via 192.0.2.8 dev eth0',
      `add the route to ${remote}`,
      'add the route to 10.8.0.0/24 dev br-0',
      'remove the route to 10.7.0.0/24 dev br-1',
    ],
    'one that leads astray goes first, the rest last',
  );
  const direct = '10.5.0.0/24 dev br-0 src 10.5.0.1';
  t.strictSame(plan([direct], [direct]), []);
  t.equal(plan([direct], ['10.5.0.0/24 dev br-0']).length, 2, 'with another source');
  t.equal(plan([direct], ['10.5.0.0/24 dev br-1 src 10.5.0.1']).length, 2, 'by another interface');
});

t.test('routes of other types and with other metrics are not the wanted ones', async (t) => {
  const [blackhole] = [{ ...seen('10.9.0.0/24'), type: 'blackhole' as const }];
  const behind = { ...seen('10.9.0.0/24 via 192.0.2.7'), metric: 50 };
  t.strictSame(
    planRoutes([route('10.9.0.0/24 via 192.0.2.7')], [blackhole, behind]).map(describeRouteStep),
    [
      'remove the route to blackhole 10.9.0.0/24',
      'remove the route to 10.9.0.0/24 via 192.0.2.7 metric 50',
      'add the route to 10.9.0.0/24 via 192.0.2.7',
    ],
  );
});

t.test(
  'what can be one route of the kernel is added once, with all that is known of it',
  async (t) => {
    t.strictSame(
      plan(
        [
          '10.9.0.0/24 via 10.5.0.2',
          '10.9.0.0/24 via 10.5.0.2 dev br-0',
          '10.9.0.0/24 via 10.5.0.2',
        ],
        [],
      ),
      ['add the route to 10.9.0.0/24 via 10.5.0.2 dev br-0'],
    );
    t.equal(plan(['10.9.0.0/24 dev br-0', '10.9.0.0/24 dev br-1'], []).length, 2);
    t.ok(canBeOne(route('10.9.0.0/24 dev br-0'), route('10.9.0.0/24 dev br-0 src 10.5.0.1')));
    t.notOk(canBeOne(route('10.9.0.0/24 dev br-0'), route('10.9.0.0/24 via 10.5.0.2 dev br-0')));
    t.notOk(canBeOne(route('10.9.0.0/24 dev br-0'), route('10.9.0.0/16 dev br-0')));
  },
);

t.test('routes of a network', async (t) => {
  const labels = { 'tsbridge.remote_routes': '10.9.0.0/24 via 192.0.2.7; fd00:9::/64 via fe80::7' };
  const remote = ['10.9.0.0/24 via 192.0.2.7', 'fd00:9::/64 via fe80::7'];
  const network = networkSpec({ ...dual, labels });
  t.strictSame(routesOfNetwork(network).map(routeText), remote);
  t.strictSame(routesOfNetwork(networkSpec()), [], 'none without options');
  const hidden = networkSpec({ ...dual, labels: { ...labels, 'tsbridge.announce': 'none' } });
  const { bridge } = hidden;
  t.strictSame(routesOfNetwork(hidden).map(routeText), [
    ...remote,
    `10.5.0.0/24 dev ${bridge} src 10.5.0.1`,
    `fd00:5::/64 dev ${bridge} src fd00:5::1`,
  ]);
  t.match(segmentOf(hidden).addresses(hidden), [
    hostCidr(parseIp('10.5.0.1') as never),
    { address: 'fe80::1', prefixLength: 64 },
    { address: 'fd00:5::1', prefixLength: 128 },
  ]);
  const label = { 'tsbridge.announce': 'none', 'com.docker.network.bridge.inhibit_ipv4': 'true' };
  t.strictSame(routesOfNetwork(networkSpec({ labels: label })), [], 'without an address');
  const isolated = networkSpec({
    labels: {
      'tsbridge.announce': 'none',
      'com.docker.network.bridge.gateway_mode_ipv4': 'isolated',
    },
    options: { 'com.docker.network.internal': true },
  });
  t.strictSame(routesOfNetwork(isolated), []);
});

t.test('routes of an endpoint', async (t) => {
  const network = networkSpec(dual);
  const options = { 'tsbridge.host_routes': '10.88.0.0/24,fd00:88::/64' };
  const both = endpointInput({ addressIpv6: 'fd00:5::2/64', options });
  const { spec } = parseEndpoint(both, network);
  const { bridge } = network;
  t.strictSame(routesOfEndpoint(spec, network).map(routeText), [
    `10.88.0.0/24 via 10.5.0.2 dev ${bridge}`,
    `fd00:88::/64 via fd00:5::2 dev ${bridge}`,
  ]);
  const plain = parseEndpoint(endpointInput({ addressIpv6: 'fd00:5::2/64' }), network).spec;
  t.strictSame(routesOfEndpoint(plain, network), []);
  t.strictSame(routesOfEndpoint(plain, { ...network, announce: 'addresses' }).map(routeText), [
    `10.5.0.2/32 dev ${bridge}`,
    `fd00:5::2/128 dev ${bridge}`,
  ]);
  t.strictSame(
    routesOfEndpoint(
      { ...spec, ipv4: undefined, ipv6: undefined },
      { ...network, announce: 'addresses' },
    ),
    [],
    'an endpoint without addresses',
  );
});
