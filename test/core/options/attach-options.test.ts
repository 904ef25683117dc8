/** `tsbridge.attach=proxy`: what it makes of a network, and what cannot go with it. */
import t from 'tap';
import { parseCidr } from '../../../src/core/address.js';
import { parentObstacle } from '../../../src/core/options/attach-options.js';
import { bridgeLabel as bridge, messageFrom, networkSpec } from '../../fakes/inputs.js';

const labels = { 'tsbridge.attach': 'proxy', 'tsbridge.parent': 'eth0' };
const refused = (more: Record<string, string>) => messageFrom(() => networkSpec({ labels: more }));

t.test('containers have addresses of the LAN, and are reached there', async (t) => {
  const spec = networkSpec({ labels });
  t.match(spec, { segment: 'bridge', parent: 'eth0', masquerade: false });
  t.strictSame(spec.acceptFrom, [{ interface: 'eth0' }]);
  const narrower = networkSpec({ labels: { ...labels, 'tsbridge.accept_from': '192.0.2.0/24' } });
  t.match(narrower.acceptFrom, [{ address: '192.0.2.0', prefixLength: 24 }]);
  t.equal(narrower.acceptFrom?.length, 1);
  t.strictSame(networkSpec({ labels: { 'tsbridge.attach': 'bridge' } }), networkSpec());
});

t.test('everything that is wrong is said at once', async (t) => {
  t.match(
    refused({ 'tsbridge.attach': 'proxi' }),
    /unknown way of attaching proxi: use bridge or proxy/,
  );
  t.match(
    refused({ 'tsbridge.attach': 'proxy' }),
    /tsbridge.attach=proxy needs tsbridge.parent=INTERFACE, the host's interface/,
  );
  t.match(
    refused({ 'tsbridge.parent': 'eth0' }),
    /tsbridge.parent=eth0 needs tsbridge.attach=proxy: add it, or leave the parent out/,
  );
  t.match(refused({ ...labels, 'tsbridge.parent': 'eth/0' }), /not an interface name: use that of/);
  const message = messageFrom(() =>
    networkSpec({
      options: { 'com.docker.network.internal': true },
      labels: {
        ...labels,
        ...{ 'tsbridge.ndp_proxy': 'uplink', [bridge('enable_ip_masquerade')]: 'true' },
        ...{ [bridge('inhibit_ipv4')]: 'true', [bridge('name')]: 'br-lan' },
        ...{
          'com.docker.network.host_ipv4': '192.0.2.9',
          'com.docker.network.host_ipv6': 'fd00::9',
        },
      },
    }),
  );
  for (const what of [
    ...['--internal', 'com.docker.network.bridge.enable_ip_masquerade=true'],
    ...['com.docker.network.host_ipv4', 'com.docker.network.host_ipv6'],
    ...['com.docker.network.bridge.inhibit_ipv4=true', 'tsbridge.ndp_proxy'],
  ]) {
    t.match(message, `${what} cannot go with tsbridge.attach=proxy: `);
  }
  t.match(
    refused({ ...labels, [bridge('name')]: 'br-lan', 'tsbridge.bridge': 'unmanaged' }),
    /tsbridge.bridge=unmanaged cannot go with tsbridge.attach=proxy: .*answer for themselves/,
  );
});

t.test('the parent is there, and the subnet is not that of the whole LAN', async (t) => {
  const network = networkSpec({ labels });
  const cidr = (text: string) => parseCidr(text) as never;
  t.equal(parentObstacle(networkSpec(), undefined), undefined);
  t.equal(parentObstacle(network, []), undefined);
  t.equal(parentObstacle(network, [cidr('10.5.1.1/16'), cidr('fd00:5::1/64')]), undefined);
  t.match(parentObstacle(network, undefined), /parent=eth0: there is no such interface/);
  t.match(
    parentObstacle(network, [cidr('10.5.0.9/24')]),
    /its own address 10.5.0.9\/24 is in the network's subnet 10.5.0.0\/24, .*give --subnet a part of the LAN/,
  );
});
