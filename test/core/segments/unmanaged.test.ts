import t from 'tap';
import { describeLinkStep, type ObservedLink } from '../../../src/core/network/links.js';
import { segmentOf } from '../../../src/core/segments/all.js';
import { makeEndpoint, makeNetwork } from '../../golden/golden.js';

const network = makeNetwork('br-lan', '192.0.2.0/24', '192.0.2.2', {
  'tsbridge.bridge': 'unmanaged',
});
const segment = segmentOf(network);
const found: ObservedLink = {
  ...{ index: 7, name: 'br-lan', kind: 'bridge', up: false, mtu: 9000 },
  ...{ master: undefined, hairpin: undefined, addresses: [] },
};
const endpoint = makeEndpoint(network, '192.0.2.17/24');

t.test('nothing of the bridge itself is planned', async (t) => {
  for (const there of [found, undefined]) {
    t.same(segment.planDevice(network, there), []);
    t.same(segment.planAddresses(network, there), []);
    t.same(segment.planUp(network, there), []);
  }
  t.same([segment.settings(network, false), segment.addresses(network)], [[], []]);
  t.match(segment.obstacle(network, { ...found, kind: 'bond' }), /br-lan is not a bridge/);
});

t.test('the host’s end has the MTU of the bridge and never its lowest MAC address', async (t) => {
  const link = { mtu: 9000, hairpin: false, hostMac: 'fe:42:c0:00:02:11', bridge: 'br-lan' };
  t.match(segment.endpointLink(network, endpoint, found), link);
});

t.test('the host’s end goes back to the bridge, if there is one', async (t) => {
  const port = { ...found, name: endpoint.veth.host, kind: 'veth', master: 6, up: true };
  const plan = (device: ObservedLink | undefined) =>
    segment.planEndpoint(network, endpoint, device, port).map(describeLinkStep);
  t.same(plan(found), [`set ${endpoint.veth.host} {"master":"br-lan"}`]);
  t.same(plan({ ...found, index: 6 }), []);
  t.same(plan(undefined), []);
});
