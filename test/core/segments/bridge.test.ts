import t from 'tap';
import { describeLinkStep, type ObservedLink } from '../../../src/core/network/links.js';
import type { NetworkSpec } from '../../../src/core/network/network.js';
import { forwardingOf } from '../../../src/core/network/sysctls.js';
import { segmentOf } from '../../../src/core/segments/all.js';
import { makeEndpoint, makeNetwork } from '../../golden/golden.js';

const ipv6 = { subnet: 'fd00:6::/64', gateway: 'fd00:6::1/64' };
const mtu = { 'com.docker.network.driver.mtu': '1400' };
const network = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', mtu, { ipv6 });
const segment = segmentOf(network);
const addresses = segment.addresses(network);
const found: ObservedLink = {
  index: 7,
  name: 'br-x',
  kind: 'bridge',
  up: true,
  mtu: 1400,
  master: undefined,
  hairpin: undefined,
  addresses,
};
const text = (steps: Parameters<typeof describeLinkStep>[0][]) => steps.map(describeLinkStep);

const plan = (of: NetworkSpec, there: ObservedLink | undefined) =>
  text([
    ...segment.planDevice(of, there),
    ...segment.planAddresses(of, there),
    ...segment.planUp(of, there),
  ]);

t.test('the plan of a bridge has what is missing and nothing else', async (t) => {
  t.same(plan(network, found), []);
  const half = { ...found, up: false, mtu: 1500, addresses: addresses.slice(0, 2) };
  t.same(plan(network, half), [
    'set br-x {"mtu":1400}',
    'add fd00:6::1/64 to br-x',
    'set br-x {"up":true}',
  ]);
  t.same(plan(network, undefined), [
    'create bridge br-x',
    'add 10.6.0.1/24 to br-x',
    'add fe80::1/64 to br-x',
    'add fd00:6::1/64 to br-x',
    'set br-x {"up":true}',
  ]);
});

t.test('an interface of another kind is an obstacle', async (t) => {
  t.equal(segment.obstacle(network, found), undefined);
  const other = { ...found, kind: 'dummy' };
  t.equal(segment.obstacle(network, other), 'existing interface br-x is not a bridge');
});

t.test('a bridge with inhibit_ipv4 has no address', async (t) => {
  const inhibit = { 'com.docker.network.bridge.inhibit_ipv4': 'true' };
  t.same(segment.addresses(makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', inhibit)), []);
});

t.test('the host end of an endpoint is put back on its bridge', async (t) => {
  const endpoint = makeEndpoint(network, '10.6.0.2/24');
  const port = { ...found, name: endpoint.veth.host, kind: 'veth', master: 7, hairpin: false };
  const proxied = { ...network, userlandProxy: true };
  const hairpin = { ...network, userlandProxy: false };
  const moved = { ...found, index: 8 };
  const repair = (of: NetworkSpec, device: ObservedLink | undefined, there: ObservedLink) =>
    text(segment.planEndpoint(of, endpoint, device, there));
  t.same(repair(proxied, found, port), []);
  t.same(repair(hairpin, found, { ...port, hairpin: true }), []);
  const host = endpoint.veth.host;
  t.same(repair(hairpin, found, port), [`set ${host} {"hairpin":true}`]);
  t.same(repair(hairpin, moved, { ...port, up: false, hairpin: true }), [
    `set ${host} {"master":"br-x","hairpin":true,"up":true}`,
  ]);
  t.same(repair(proxied, undefined, port), [`set ${host} {"master":"br-x"}`]);
  const isolating = { ...proxied, portIsolation: true };
  t.same(repair(isolating, found, { ...port, isolated: true }), []);
  t.same(repair(proxied, found, { ...port, isolated: true }), [], 'somebody else has isolated it');
  t.same(repair(isolating, found, { ...port, isolated: false }), [`set ${host} {"isolated":true}`]);
  t.same(repair(isolating, moved, { ...port, isolated: true }), [
    `set ${host} {"master":"br-x","isolated":true}`,
  ]);
  const open = { ...endpoint, portIsolation: false };
  t.same(text(segment.planEndpoint(isolating, open, found, port)), [], 'its endpoint says no');
  const closed = { ...endpoint, portIsolation: true };
  t.match(segment.endpointLink(proxied, closed), { isolated: true }, 'its endpoint says yes');
  t.notOk('isolated' in segment.endpointLink(proxied, endpoint));
  t.same(text([{ kind: 'create-link', link: segment.endpointLink(proxied, endpoint) }]), [
    `create veth pair ${host} and ${endpoint.veth.container} on br-x`,
  ]);
});

t.test('the sysctls of a bridge follow its families, its proxy and its maker', async (t) => {
  const lines = (proxy: boolean, of = network, isOurs = true) =>
    segment
      .settings({ ...of, userlandProxy: proxy }, isOurs)
      .map(({ path, value }) => `${path}=${value}`);
  t.same(lines(true), ['net/ipv6/conf/br-x/accept_ra=0', 'net/ipv6/conf/br-x/disable_ipv6=0']);
  t.same(
    lines(true, network, false),
    ['net/ipv6/conf/br-x/disable_ipv6=0'],
    'router advertisements go on to be accepted on a bridge of the user',
  );
  t.ok(lines(false).includes('net/ipv4/conf/br-x/route_localnet=1'));
  const isolated = { 'com.docker.network.bridge.gateway_mode_ipv6': 'isolated' };
  const inside = makeNetwork('br-x', '10.6.0.0/24', '10.6.0.1', isolated, { ipv6, internal: true });
  t.ok(lines(true, inside).includes('net/ipv6/conf/br-x/disable_ipv6=1'));
  t.equal(forwardingOf(4, network.bridge), 'net/ipv4/ip_forward');
  t.equal(forwardingOf(6, network.bridge), 'net/ipv6/conf/br-x/forwarding');
});
