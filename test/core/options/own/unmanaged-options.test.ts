/** Networks on a bridge that is not the driver's: what they are, and what cannot go with them. */
import t from 'tap';
import { parseNetwork } from '../../../../src/core/options/network-options.js';
import {
  bridgeLabel as bridge,
  messageFrom,
  networkInput,
  networkSpec,
} from '../../../fakes/inputs.js';

const lan = { [bridge('name')]: 'br-lan', 'tsbridge.bridge': 'unmanaged' };
const refusal = (parts: Parameters<typeof networkInput>[0]) =>
  messageFrom(() => parseNetwork(networkInput(parts)));

t.test('addresses and gateway are the LAN’s, and the bridge gets none', async (t) => {
  const ipv6 = [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }];
  const { ipv4, ...spec } = networkSpec({ labels: lan, ipv6 });
  t.match(ipv4, { gatewayMode: 'routed', containerGateway: '10.5.0.1', hostAddress: undefined });
  t.match(ipv4?.subnet, { address: '10.5.0.0', prefixLength: 24 });
  t.strictSame([ipv4?.bridgeAddress, spec.ipv6?.bridgeAddress], [undefined, undefined]);
  t.match(spec, { segment: 'unmanaged', lanFirewall: 'lan', masquerade: false, ipForward: false });
  t.equal(spec.ipv6?.containerGateway, 'fd00:5::1');
  t.equal(networkSpec({ labels: { ...lan, 'tsbridge.firewall': 'none' } }).lanFirewall, 'none');
  t.notOk('lanFirewall' in networkSpec({ labels: { 'tsbridge.bridge': 'managed' } }));
  t.equal(networkSpec({ labels: { 'tsbridge.bridge': 'managed' } }).segment, 'bridge');
});

t.test('settings of the daemon that are about Docker’s rules do not count', async (t) => {
  const defaults = { ipMasq: true, ipForward: true, userlandProxy: false };
  const { spec } = parseNetwork(networkInput({ labels: lan }), defaults);
  t.match(spec, { masquerade: false, ipForward: false, userlandProxy: true });
});

t.test('an IPAM driver that hands out nothing leaves a network without families', async (t) => {
  const none = { labels: lan, ipv4: [{ addressSpace: 'null', pool: '0.0.0.0/0' }] };
  t.match(networkSpec(none), { ipv4: undefined, ipv6: undefined });
  t.equal(networkSpec({ ...none, ipv4: [{}] }).ipv4, undefined);
  t.equal(networkSpec({ labels: lan, ipv6: [{ pool: '::/0' }] }).ipv6, undefined);
  const two = { labels: lan, ipv4: [{ pool: '10.1.0.0/16' }, { pool: '0.0.0.0/0' }] };
  t.match(refusal(two), /multiple subnets/);
});

t.test('what cannot go with it is refused, all at once, each with its way out', async (t) => {
  const all: readonly [string, string, RegExp][] = [
    [
      bridge('enable_icc'),
      'false',
      /enable_icc=false cannot go .*use tsbridge.port_isolation=true/,
    ],
    [bridge('enable_ip_masquerade'), 'true', /enable_ip_masquerade=true .*addresses of the LAN/],
    ['com.docker.network.host_ipv4', '192.0.2.9', /host_ipv4 cannot .*nothing is translated/],
    ['com.docker.network.host_ipv6', 'fd00::9', /host_ipv6 cannot .*nothing is translated/],
    [bridge('gateway_mode_ipv4'), 'nat', /gateway_mode_ipv4 .*router of the LAN \(--gateway\)/],
    [bridge('gateway_mode_ipv6'), 'nat', /gateway_mode_ipv6 .*router of the LAN \(--gateway\)/],
    [bridge('host_binding_ipv4'), '127.0.0.1', /host_binding_ipv4 .*at its own address/],
    ['tsbridge.port_rules', 'compact', /port_rules cannot .*at its own address/],
    ['tsbridge.userland_proxy', 'true', /userland_proxy=true cannot .*at its own address/],
    [bridge('trusted_host_interfaces'), 'eth1', /trusted_host_interfaces cannot .*no rule drops/],
    ['tsbridge.allow_direct_routing', 'false', /allow_direct_routing=false .*no rule drops/],
    ['com.docker.network.driver.mtu', '1400', /driver.mtu cannot .*ip link set dev BRIDGE mtu/],
  ];
  for (const [name, value, message] of all) {
    t.match(refusal({ labels: { ...lan, [name]: value } }), message, name);
  }
  const labels = Object.fromEntries(all.map(([name, value]) => [name, value]));
  const options = { 'com.docker.network.internal': true };
  const said = refusal({ labels: { ...labels, 'tsbridge.bridge': 'unmanaged' }, options });
  t.match(
    said,
    /: 14 problems: \(1\) tsbridge.bridge=unmanaged needs com\S+name=BRIDGE, .* exists/,
  );
  t.match(said, /\(2\) --internal cannot go with tsbridge.bridge=unmanaged: .*leave it out/);
  const harmless = {
    ...{ [bridge('enable_icc')]: 'true', [bridge('enable_ip_masquerade')]: 'false' },
    ...{ 'com.docker.network.driver.mtu': '0', 'tsbridge.port_isolation': 'true' },
  };
  t.match(networkSpec({ labels: { ...lan, ...harmless } }), {
    portIsolation: true,
    mtu: undefined,
  });
});

t.test('its firewall goes with no other bridge', async (t) => {
  t.match(
    refusal({ labels: { 'tsbridge.firewall': 'lan' } }),
    /tsbridge.firewall=lan needs tsbridge.bridge=unmanaged: .*tsbridge.iptables=false/,
  );
  t.match(
    refusal({ labels: { ...lan, 'tsbridge.firewall': 'docker' } }),
    /unknown firewall docker: use lan or none/,
  );
  t.match(
    refusal({ labels: { ...lan, 'tsbridge.bridge': 'unmanage' } }),
    /unknown kind of bridge unmanage: use managed or unmanaged; did you mean unmanaged\?/,
  );
});
