import t from 'tap';
import {
  answeringSysctls,
  describeProxyStep,
  isProxied,
  type ObservedProxy,
  planProxies,
  proxiesOf,
  proxyText,
} from '../../../src/core/network/neighbour-proxies.js';
import { parseEndpoint } from '../../../src/core/options/endpoint-options.js';
import { endpointInput, messageFrom, networkSpec } from '../../fakes/inputs.js';

const dual = (labels: Record<string, string> = {}) =>
  networkSpec({ ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }], labels });
const endpoint = (network: ReturnType<typeof dual>, addressIpv6 = 'fd00:5::2/64') =>
  parseEndpoint(endpointInput({ addressIpv6 }), network).spec;
const shown = (network: ReturnType<typeof dual>, uplink?: string, address?: string) =>
  proxiesOf(endpoint(network, address), network, uplink).map(proxyText);

t.test('the addresses that are answered for', async (t) => {
  t.notOk('ndpProxy' in dual());
  t.strictSame(shown(dual(), 'eth0'), []);
  t.strictSame(shown(dual({ 'tsbridge.ndp_proxy': 'eth1' }), 'eth0'), ['fd00:5::2 dev eth1']);
  t.strictSame(shown(dual({ 'tsbridge.ndp_proxy': 'uplink' }), 'eth0'), ['fd00:5::2 dev eth0']);
  t.strictSame(shown(dual({ 'tsbridge.ndp_proxy': 'uplink' })), [], 'without a default route');
  t.strictSame(shown(dual({ 'tsbridge.ndp_proxy': 'eth1' }), 'eth0', ''), [], 'without IPv6');
});

t.test('on a parent, both families are answered for', async (t) => {
  const attached = { 'tsbridge.attach': 'proxy', 'tsbridge.parent': 'eth1' };
  const network = dual(attached);
  t.strictSame(shown(network, 'eth0'), ['10.5.0.2 dev eth1', 'fd00:5::2 dev eth1']);
  t.ok(isProxied(endpoint(network), network));
  const ipv4 = networkSpec({ labels: attached });
  const alone = parseEndpoint(endpointInput(), ipv4).spec;
  t.ok(isProxied(alone, ipv4));
  t.notOk(isProxied(alone, dual({ 'tsbridge.ndp_proxy': 'eth1' })), 'only its IPv6 addresses');
  t.notOk(isProxied(alone, networkSpec()));
  t.strictSame(
    answeringSysctls(proxiesOf(endpoint(network), network, undefined)).map(
      ({ path, value }) => `${path}=${value}`,
    ),
    [
      'net/ipv4/neigh/eth1/proxy_delay=0',
      'net/ipv6/conf/eth1/proxy_ndp=1',
      'net/ipv6/neigh/eth1/proxy_delay=0',
    ],
  );
});

t.test('what is missing is added, and only our own is removed', async (t) => {
  const seen = (address: string, isOurs: boolean): ObservedProxy => ({
    ...{ address: address as never, device: 'eth0', isOurs },
  });
  const wanted = ['fd00::1', 'fd00::2', 'fd00::2'].map((address) => seen(address, true));
  const observed = [seen('fd00::1', false), seen('fd00::3', true), seen('fd00::4', false)];
  t.strictSame(planProxies(wanted, observed).map(describeProxyStep), [
    'answer for fd00::2 on eth0',
    'answer for fd00::3 on eth0 no more',
  ]);
});

t.test('networks that it cannot go with', async (t) => {
  const asked = { 'tsbridge.ndp_proxy': 'eth0' };
  t.match(
    messageFrom(() => networkSpec({ labels: asked })),
    /ndp_proxy=eth0 cannot go with a network without IPv6: add --ipv6 and an IPv6 --subnet, or leave/,
  );
  t.match(
    messageFrom(() =>
      networkSpec({ labels: asked, options: { 'com.docker.network.internal': true } }),
    ),
    /ndp_proxy=eth0 cannot go with --internal, where nothing passes: leave it out/,
  );
  const lan = { 'com.docker.network.bridge.name': 'br-lan', 'tsbridge.bridge': 'unmanaged' };
  t.match(
    messageFrom(() => networkSpec({ labels: { ...lan, ...asked } })),
    /ndp_proxy=eth0 cannot go with tsbridge.bridge=unmanaged: .* answer for themselves; leave it out/,
  );
  t.match(
    messageFrom(() => dual({ 'tsbridge.ndp_proxy': 'a/b' })),
    /ndp_proxy value: a\/b \(not an interface name/,
  );
});
