import t from 'tap';
import {
  describeProxyStep,
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
