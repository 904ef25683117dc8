/** The options of a network, for a second one like it: what only one network can have is left out. */
import t from 'tap';
import { parseNetwork } from '../../../src/core/options/network-options.js';
import { libnetwork, optionsForAnother } from '../../../src/frontends/libnetwork/front-end.js';
import { bridgeLabel, networkInput } from '../../fakes/inputs.js';

const labels = {
  [bridgeLabel('name')]: 'br-lab',
  [bridgeLabel('enable_icc')]: 'false',
  'tsbridge.routes': '10.88.0.0/16 via 10.5.0.254',
  'tsbridge.publish_from': '192.0.2.0/24',
  'tsbridge.egress_allow': '192.0.2.9:443/tcp',
  'tsbridge.accept_from': '192.0.2.0/24',
  'tsbridge.remote_routes': '10.99.0.0/16 via 192.0.2.2',
  'com.docker.network.driver.mtu': '1400',
};

t.test('a second network with them is accepted, and has everything else', async (t) => {
  const first = networkInput({ labels });
  t.match(parseNetwork(first).spec, { bridge: 'br-lab', icc: false, mtu: 1400 });
  const options = optionsForAnother(libnetwork.keepNetwork(first));
  const id = 'b'.repeat(64);
  const ipv4 = [{ pool: '198.18.7.0/24', gateway: '198.18.7.1/24' }];
  const { spec } = parseNetwork({ ...networkInput({ id, ipv4 }), options });
  t.match(spec, { bridge: 'br-bbbbbbbbbbbb', icc: false, mtu: 1400 });
  t.strictSame(Object.keys(options['com.docker.network.generic'] as object), [
    bridgeLabel('enable_icc'),
    'com.docker.network.driver.mtu',
  ]);
  t.throws(() => parseNetwork(networkInput({ id, ipv4, labels })), /10\.5\.0\.254/);
  t.equal(labels[bridgeLabel('name')], 'br-lab', 'what was kept is not changed');
});

t.test('a call without labels has none afterwards', async (t) => {
  for (const generic of [undefined, null]) {
    const input = networkInput({ options: { 'com.docker.network.generic': generic } });
    t.notOk(optionsForAnother(libnetwork.keepNetwork(input))['com.docker.network.generic']);
  }
});
