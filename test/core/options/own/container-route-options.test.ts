import t from 'tap';
import { cidrText } from '../../../../src/core/address.js';
import {
  containerRouteText,
  defaultRoutesOf,
  routesByDriver,
  routesByEngine,
} from '../../../../src/core/network/container-routes.js';
import type { NetworkSpec } from '../../../../src/core/network/network.js';
import { parseEndpoint } from '../../../../src/core/options/endpoint-options.js';
import { endpointInput, messageFrom, networkSpec } from '../../../fakes/inputs.js';

const ofNetwork = (labels: Record<string, string>) => networkSpec({ labels });
const ofEndpoint = (options: Record<string, string>, network: NetworkSpec = networkSpec()) =>
  parseEndpoint(endpointInput({ options }), network).spec;
const shown = (...[endpoint, network]: Parameters<typeof routesByEngine>) =>
  routesByEngine(endpoint, network).map(
    ({ destination, via }) => `${cidrText(destination)} ${via ?? 'dev'}`,
  );

t.test('routes of a network, and of an endpoint in their place', async (t) => {
  const network = ofNetwork({ 'tsbridge.routes': '10.9.0.0/24 via 10.5.0.9; 10.8.0.0/24 dev' });
  t.strictSame(shown(ofEndpoint({}, network), network), [
    '10.9.0.0/24 10.5.0.9',
    '10.8.0.0/24 dev',
  ]);
  const own = ofEndpoint({ 'tsbridge.routes': '10.7.0.0/24 via 10.5.0.7' }, network);
  t.strictSame(shown(own, network), ['10.7.0.0/24 10.5.0.7']);
  t.strictSame(shown(ofEndpoint({}), networkSpec()), []);
  t.notOk('containerRoutes' in networkSpec());
  t.strictSame(shown({ ...own, ipv4: undefined }, network), [], 'of a family that it has not');
  const dual = networkSpec({
    ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }],
    labels: { 'tsbridge.routes': 'fd00:9::/64 via fd00:5::9' },
  });
  t.strictSame(shown(ofEndpoint({}, dual), dual), []);
  const both = parseEndpoint(endpointInput({ addressIpv6: 'fd00:5::2/64' }), dual).spec;
  t.strictSame(shown(both, dual), ['fd00:9::/64 fd00:5::9']);
  t.strictSame(defaultRoutesOf(both, dual), { gateway: '10.5.0.1', gatewayIpv6: 'fd00:5::1' });
});

t.test('default routes', async (t) => {
  const [with4, none] = [
    { gateway: '10.5.0.1', gatewayIpv6: undefined },
    { gateway: undefined, gatewayIpv6: undefined },
  ];
  const [no, yes] = [{ 'tsbridge.default_route': 'false' }, { 'tsbridge.default_route': 'true' }];
  const network = ofNetwork(no);
  t.strictSame(defaultRoutesOf(ofEndpoint({}), networkSpec()), with4);
  t.strictSame(defaultRoutesOf(ofEndpoint({}, network), network), none);
  t.strictSame(
    defaultRoutesOf(ofEndpoint(yes, network), network),
    with4,
    'the endpoint counts more',
  );
  t.strictSame(defaultRoutesOf(ofEndpoint(no), networkSpec()), none);
  t.match(
    messageFrom(() => ofNetwork({ 'tsbridge.default_route': 'no' })),
    /tsbridge.default_route value: no \(not a boolean/,
  );
});

t.test('what the engine cannot add is left to the driver', async (t) => {
  const added = (...[endpoint, network]: Parameters<typeof routesByDriver>) =>
    routesByDriver(endpoint, network).map(containerRouteText);
  const network = ofNetwork({
    'tsbridge.routes':
      '10.0.0.0/8 via 10.5.0.9; 10.9.0.0/24 via 10.5.0.9 metric 50; 10.8.0.0/24 dev metric 7; ' +
      '10.0.0.0/8 blackhole metric 4294967295; 10.7.0.0/24 unreachable; 10.6.0.0/24 prohibit',
  });
  const plain = ofEndpoint({}, network);
  t.strictSame(shown(plain, network), ['10.0.0.0/8 10.5.0.9'], 'wider than the subnet is fine');
  t.strictSame(added(plain, network), [
    '10.9.0.0/24 via 10.5.0.9 metric 50',
    '10.8.0.0/24 metric 7',
    'blackhole 10.0.0.0/8 metric 4294967295',
    'unreachable 10.7.0.0/24',
    'prohibit 10.6.0.0/24',
  ]);
  const none = { gateway: undefined, gatewayIpv6: undefined };
  const metric = ofNetwork({ 'tsbridge.metric': '100' });
  t.strictSame(defaultRoutesOf(ofEndpoint({}, metric), metric), none);
  t.strictSame(added(ofEndpoint({}, metric), metric), ['default via 10.5.0.1 metric 100']);
  const own = ofEndpoint({ 'tsbridge.metric': '7' }, metric);
  t.strictSame(added(own, metric), ['default via 10.5.0.1 metric 7'], 'the endpoint counts more');
  const several = ofNetwork({ 'tsbridge.gateways': '10.5.0.254,10.5.0.253@50;10.5.0.252@60' });
  t.match(defaultRoutesOf(ofEndpoint({}, several), several), { gateway: '10.5.0.254' });
  t.strictSame(added(ofEndpoint({}, several), several), [
    'default via 10.5.0.253 metric 50',
    'default via 10.5.0.252 metric 60',
  ]);
  const off = ofEndpoint({ 'tsbridge.default_route': 'false' }, several);
  t.strictSame([added(off, several), defaultRoutesOf(off, several)], [[], none]);
  const without = ofNetwork({ 'tsbridge.default_route': 'false' });
  const asks = ofEndpoint({ 'tsbridge.gateways': '10.5.0.7' }, without);
  t.match(defaultRoutesOf(asks, without), { gateway: '10.5.0.7' }, 'naming one asks for it');
  const dual = networkSpec({
    ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }],
    labels: { 'tsbridge.gateways': 'fd00:5::9@20,10.5.0.9', 'tsbridge.metric': '30' },
  });
  const both = parseEndpoint(endpointInput({ addressIpv6: 'fd00:5::2/64' }), dual).spec;
  t.strictSame(added(both, dual), [
    'default via fd00:5::9 metric 20',
    'default via 10.5.0.9 metric 30',
  ]);
  t.strictSame(added(ofEndpoint({}, dual), dual), ['default via 10.5.0.9 metric 30']);
});

t.test('default routes between which nothing decides, and other contradictions', async (t) => {
  const refused = (labels: Record<string, string>) => messageFrom(() => ofNetwork(labels));
  t.match(
    refused({ 'tsbridge.gateways': '10.5.0.9,10.5.0.8' }),
    /tsbridge.gateways: default routes by 10.5.0.9 and 10.5.0.8 have the same metric.*ADDRESS@METRIC/,
  );
  t.match(
    refused({ 'tsbridge.gateways': '10.5.0.9,10.5.0.8@5', 'tsbridge.metric': '5' }),
    /by 10.5.0.9@5 and 10.5.0.8@5/,
  );
  const network = ofNetwork({ 'tsbridge.gateways': '10.5.0.9,10.5.0.8@5' });
  t.match(
    messageFrom(() => ofEndpoint({ 'tsbridge.metric': '5' }, network)),
    /by 10.5.0.9@5 and 10.5.0.8@5/,
    'with what the network gives',
  );
  t.match(
    refused({
      'tsbridge.default_route': 'false',
      'tsbridge.metric': '5',
      'tsbridge.gateways': '10.5.0.9',
    }),
    /2 problems: .*gateways cannot go with tsbridge.default_route=false.*metric cannot go with/,
  );
  t.match(
    messageFrom(() =>
      networkSpec({
        labels: { 'tsbridge.metric': '5' },
        options: { 'com.docker.network.internal': true },
      }),
    ),
    /tsbridge.metric cannot go with --internal: such a network has no way out/,
  );
  t.match(
    refused({ 'tsbridge.gateways': 'router,10.6.0.1,fd00::1,10.5.0.9@0', 'tsbridge.metric': '0' }),
    /5 problems:.*not a gateway: use ADDRESS.*not in the network's subnet 10.5.0.0\/24.*no IPv6 address.*not a metric: use a number from 1 to 4294967295.*not a metric/,
  );
});

t.test('everything that is wrong is said at once, with what to do', async (t) => {
  const wrong = [
    '10.9.0.0/24',
    '10.9.0.0/24 via 10.5.0.9 metric 4294967296',
    '0.0.0.0/0 via 10.5.0.9',
    '10.9.0.1/24 via 10.5.0.9',
    'fd00:9::/64 dev',
    '10.5.0.0/25 dev',
    '10.9.0.0/24 via 10.6.0.9',
    '10.9.0.0/24 via router',
    '10.9.0.0/24 via 10.5.0.9',
    '10.9.0.0/24 dev',
  ];
  const reasons =
    /9 problems: \(1\).*not a route: use CIDR via ADDRESS, CIDR dev.*\(2\).*"?4294967296"? is not a metric.*\(3\).*a default route: tsbridge.gateways names its next hops.*\(4\).*did you mean 10.9.0.0\/24.*\(5\).*no IPv6 address.*\(6\).*is in the network's own subnet 10.5.0.0\/24.*\(7\).*next hop 10.6.0.9 is not in the network's subnet 10.5.0.0\/24: name one that is, or use dev.*\(8\).*router is not an address.*\(9\).*there is another route to it: give one of them another metric/;
  const given = { 'tsbridge.routes': wrong.join(';') };
  t.match(
    messageFrom(() => ofNetwork(given)),
    reasons,
  );
  t.match(
    messageFrom(() => ofEndpoint(given)),
    reasons,
  );
});
