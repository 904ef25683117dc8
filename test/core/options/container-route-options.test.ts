import t from 'tap';
import { cidrText } from '../../../src/core/address.js';
import { defaultRoutesOf, routesInContainer } from '../../../src/core/network/container-routes.js';
import type { NetworkSpec } from '../../../src/core/network/network.js';
import { parseEndpoint } from '../../../src/core/options/endpoint-options.js';
import { endpointInput, messageFrom, networkSpec } from '../../fakes/inputs.js';

const ofNetwork = (labels: Record<string, string>) => networkSpec({ labels });
const ofEndpoint = (options: Record<string, string>, network: NetworkSpec = networkSpec()) =>
  parseEndpoint(endpointInput({ options }), network).spec;
const shown = (...[endpoint, network]: Parameters<typeof routesInContainer>) =>
  routesInContainer(endpoint, network).map(
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

t.test('everything that is wrong is said at once, with what to do', async (t) => {
  const wrong = [
    '10.9.0.0/24',
    '10.9.0.0/24 via 10.5.0.9 metric 5',
    '0.0.0.0/0 via 10.5.0.9',
    '10.9.0.1/24 via 10.5.0.9',
    'fd00:9::/64 dev',
    '10.5.0.0/25 dev',
    '10.9.0.0/24 via 10.6.0.9',
    '10.9.0.0/24 via router',
  ];
  const reasons =
    /8 problems: \(1\).*not a route.*\(2\).*not a route: use CIDR via ADDRESS, or CIDR dev.*\(3\).*a default route: docker network create --gateway.*\(4\).*did you mean 10.9.0.0\/24.*\(5\).*no IPv6 address.*\(6\).*overlaps the network's own subnet 10.5.0.0\/24.*\(7\).*next hop 10.6.0.9 is not in the network's subnet 10.5.0.0\/24: name one that is, or use dev.*\(8\).*router is not an address/;
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
