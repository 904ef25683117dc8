import t from 'tap';
import {
  bridgeLinkOf,
  describeLinkStep,
  type ObservedLink,
  planBridge,
  planLinkUp,
  planVethRepair,
  vethLinkOf,
} from '../../../src/core/network/links.js';
import { bridgeSysctls, forwardingOf } from '../../../src/core/network/sysctls.js';
import { interfaceName, makeEndpoint, makeNetwork } from '../../golden/golden.js';

const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
const mtu = { 'com.docker.network.driver.mtu': '1400' };
const network = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', mtu, { ipv6 });
const wanted = bridgeLinkOf(network);
const found: ObservedLink = {
  index: 7,
  name: 'br-x',
  kind: 'bridge',
  up: true,
  mtu: 1400,
  master: undefined,
  hairpin: undefined,
  addresses: wanted.addresses,
};
const text = (steps: Parameters<typeof describeLinkStep>[0][]) => steps.map(describeLinkStep);

t.test('a bridge: nothing to do, something, everything', async (t) => {
  t.same(planBridge(wanted, found), []);
  t.same(planLinkUp(wanted.name, found), []);
  const half = { ...found, up: false, mtu: 1500, addresses: wanted.addresses.slice(0, 2) };
  t.same(text([...planBridge(wanted, half), ...planLinkUp(wanted.name, half)]), [
    'set br-x {"mtu":1400}',
    'add fd00:6::1/64 to br-x',
    'set br-x {"up":true}',
  ]);
  t.same(text([...planBridge(wanted, undefined), ...planLinkUp(wanted.name, undefined)]), [
    'create bridge br-x',
    'add 10.6.0.1/24 to br-x',
    'add fe80::1/64 to br-x',
    'add fd00:6::1/64 to br-x',
    'set br-x {"up":true}',
  ]);
});

t.test('a bridge without addresses is planned without any', async (t) => {
  const inhibit = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };
  t.same(bridgeLinkOf(makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', inhibit)).addresses, []);
});

t.test('a veth is planned as a port of its bridge', async (t) => {
  const endpoint = makeEndpoint(network, '10.6.0.2/24');
  const port = { ...found, name: endpoint.veth.host, kind: 'veth', master: 7, hairpin: false };
  const proxied = vethLinkOf({ ...network, userlandProxy: true }, endpoint);
  const hairpin = vethLinkOf({ ...network, userlandProxy: false }, endpoint);
  t.same(planVethRepair(proxied, 7, port), []);
  t.same(planVethRepair(hairpin, 7, { ...port, hairpin: true }), []);
  const host = endpoint.veth.host;
  t.same(text(planVethRepair(hairpin, 7, port)), [`set ${host} {"hairpin":true}`]);
  t.same(text(planVethRepair(hairpin, 8, { ...port, up: false, hairpin: true })), [
    `set ${host} {"master":"br-x","hairpin":true,"up":true}`,
  ]);
  t.same(text(planVethRepair(proxied, undefined, port)), [`set ${host} {"master":"br-x"}`]);
  const address = wanted.addresses[0];
  if (address === undefined) throw new Error('no address');
  const link = interfaceName('br-x');
  t.same(
    text([
      { kind: 'create-veth', veth: proxied },
      { kind: 'remove-address', link, address },
    ]),
    [`create veth ${host} on br-x`, 'remove 10.6.0.1/24 from br-x'],
  );
});

t.test('the settings of a bridge follow its network', async (t) => {
  const lines = (proxy: boolean, of = network) =>
    bridgeSysctls({ ...of, userlandProxy: proxy }).map(({ path, value }) => `${path}=${value}`);
  t.same(lines(true), ['net/ipv6/conf/br-x/accept_ra=0', 'net/ipv6/conf/br-x/disable_ipv6=0']);
  t.ok(lines(false).includes('net/ipv4/conf/br-x/route_localnet=1'));
  const isolated = { 'com.docker.network.bridge.gateway_mode_ipv6': 'isolated' };
  const inside = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', isolated, { ipv6, internal: true });
  t.ok(lines(true, inside).includes('net/ipv6/conf/br-x/disable_ipv6=1'));
  t.equal(forwardingOf(4, network.bridge), 'net/ipv4/ip_forward');
  t.equal(forwardingOf(6, network.bridge), 'net/ipv6/conf/br-x/forwarding');
});
