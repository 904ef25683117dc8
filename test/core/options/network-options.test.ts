import fc from 'fast-check';
import t from 'tap';
import type { IpAddress } from '../../../src/core/address.js';
import { DriverError } from '../../../src/core/errors.js';
import { parseNetwork, parseSkippedGateways } from '../../../src/core/options/network-options.js';
import {
  bridgeLabel as bridge,
  messageFrom,
  networkId,
  networkInput,
  networkSpec,
} from '../../fakes/inputs.js';

t.test('a network without options is as Docker makes it', async (t) => {
  t.strictSame(networkSpec(), {
    id: networkId,
    bridge: 'br-a941c14b8f93',
    ipv4: {
      family: 4,
      subnet: { family: 4, address: '10.5.0.0', prefixLength: 24 },
      bridgeAddress: { family: 4, address: '10.5.0.1', prefixLength: 24 },
      containerGateway: '10.5.0.1',
      hostAddress: undefined,
      gatewayMode: 'nat',
    },
    ipv6: undefined,
    segment: 'bridge',
    internal: false,
    icc: true,
    masquerade: true,
    inhibitIpv4: false,
    hostBinding: undefined,
    mtu: undefined,
    containerPrefix: 'eth',
    trustedHostInterfaces: [],
    allowDirectRouting: false,
    ipForward: true,
    ipForwardNoDrop: false,
    userlandProxy: true,
    ruleFamilies: [4, 6],
    portRules: 'docker',
  });
});

t.test('every option of a network becomes a field of its spec', async (t) => {
  const spec = networkSpec({
    labels: {
      [bridge('name')]: 'brtest',
      [bridge('enable_icc')]: 'false',
      [bridge('enable_ip_masquerade')]: '0',
      [bridge('host_binding_ipv4')]: '127.0.0.1',
      [bridge('inhibit_ipv4')]: 'T',
      [bridge('gateway_mode_ipv4')]: 'routed',
      [bridge('gateway_mode_ipv6')]: 'nat-unprotected',
      [bridge('trusted_host_interfaces')]: 'wg0:eth1::wg0',
      [bridge('default_bridge')]: 'false',
      'com.docker.network.driver.mtu': '1400',
      'com.docker.network.container_iface_prefix': 'lan',
      'com.docker.network.host_ipv4': '192.0.2.9',
      'com.docker.network.host_ipv6': '2001:DB8::9',
      'tsbridge.allow_direct_routing': 'true',
      'tsbridge.ip_forward': 'false',
      'tsbridge.ip_forward_no_drop': '1',
      'tsbridge.userland_proxy': '0',
      'tsbridge.iptables': 'true',
      'tsbridge.ip6tables': 'f',
      'tsbridge.port_rules': 'compact',
    },
    options: { 'com.docker.network.enable_ipv4': true },
    ipv6: [{ pool: 'fd00:5::/64', gateway: 'fd00:5::1/64' }],
  });
  t.match(spec, {
    bridge: 'brtest',
    icc: false,
    masquerade: false,
    hostBinding: '127.0.0.1',
    inhibitIpv4: true,
    trustedHostInterfaces: ['wg0', 'eth1'],
    allowDirectRouting: true,
    ipForward: false,
    ipForwardNoDrop: true,
    userlandProxy: false,
    ruleFamilies: [4],
    portRules: 'compact',
    mtu: 1400,
    containerPrefix: 'lan',
    ipv4: { gatewayMode: 'routed', hostAddress: '192.0.2.9' },
    ipv6: {
      gatewayMode: 'nat-unprotected',
      hostAddress: '2001:db8::9',
      subnet: { address: 'fd00:5::', prefixLength: 64 },
      containerGateway: 'fd00:5::1',
    },
  });
});

t.test('empty names and a zero MTU are "not set"', async (t) => {
  const labels = {
    [bridge('name')]: '',
    'com.docker.network.container_iface_prefix': '',
    'com.docker.network.driver.mtu': '0',
    [bridge('enable_icc')]: null,
  };
  t.strictSame(networkSpec({ labels }), networkSpec());
});

t.test('the daemon decides where the network does not', async (t) => {
  const defaults = { ipMasq: false, defaultBindingIp: '127.0.0.2' as IpAddress };
  const plain = parseNetwork(networkInput(), defaults).spec;
  t.match(plain, { masquerade: false, hostBinding: '127.0.0.2' });
  const labels = {
    [bridge('enable_ip_masquerade')]: 'true',
    [bridge('host_binding_ipv4')]: '::1',
  };
  const own = parseNetwork(networkInput({ labels }), defaults).spec;
  t.match(own, { masquerade: true, hostBinding: '::1' });
});

t.test('what the daemon has for all networks, a network can have for itself', async (t) => {
  for (const [label, defaults, field] of [
    ['allow_direct_routing', 'allowDirectRouting', 'allowDirectRouting'],
    ['ip_forward', 'ipForward', 'ipForward'],
    ['ip_forward_no_drop', 'ipForwardNoDrop', 'ipForwardNoDrop'],
    ['userland_proxy', 'userlandProxy', 'userlandProxy'],
  ] as const) {
    for (const daemon of [true, false]) {
      const plain = parseNetwork(networkInput(), { [defaults]: daemon }).spec;
      t.equal(plain[field], daemon, `${label}: the daemon's`);
      const labels = { [`tsbridge.${label}`]: String(!daemon) };
      const own = parseNetwork(networkInput({ labels }), { [defaults]: daemon }).spec;
      t.equal(own[field], !daemon, `${label}: its own`);
    }
  }
});

t.test('a network without rules, and one that would be the only one with', async (t) => {
  const families = (labels: Record<string, string>) => networkSpec({ labels }).ruleFamilies;
  t.same(families({ 'tsbridge.iptables': 'false' }), [6]);
  t.same(families({ 'tsbridge.iptables': 'false', 'tsbridge.ip6tables': 'false' }), []);
  t.same(families({ 'tsbridge.ip6tables': 'true' }), [4, 6]);
  for (const flag of ['iptables', 'ip6tables']) {
    const labels = { [`tsbridge.${flag}`]: 'true' };
    t.throws(() => parseNetwork(networkInput({ labels }), { [flag]: false }), {
      code: 'options-invalid',
      message: `tsbridge.${flag}=true needs a daemon that writes rules: it was started with --${flag}=false`,
    });
  }
});

t.test('booleans may be real ones, and the well-known option beats the label', async (t) => {
  t.equal(networkSpec({ labels: { [bridge('enable_icc')]: false } }).icc, false);
  t.equal(networkSpec({ options: { 'com.docker.network.internal': 'true' } }).internal, true);
  const labels = { 'com.docker.network.enable_ipv6': 'true' };
  t.equal(networkSpec({ labels }).ipv6, undefined);
  const v6 = { ...networkInput({ labels }), ipv6Data: [{ pool: 'fd00::/64' }] };
  const { 'com.docker.network.enable_ipv6': _, ...options } = v6.options;
  t.equal(parseNetwork({ ...v6, options }).spec.ipv6?.subnet.address, 'fd00::');
});

t.test('the addresses of a network are those of its pools', async (t) => {
  t.test('the subnet is that of the gateway; none without a gateway', async (t) => {
    const narrow = networkSpec({ ipv4: [{ pool: '10.5.0.0/16', gateway: '10.5.7.1/24' }] });
    t.strictSame(narrow.ipv4?.subnet, { family: 4, address: '10.5.7.0', prefixLength: 24 });
    for (const gateway of [undefined, '']) {
      const pool =
        gateway === undefined ? { pool: '10.5.0.0/16' } : { pool: '10.5.0.0/16', gateway };
      t.match(networkSpec({ ipv4: [pool] }).ipv4, {
        subnet: { address: '10.5.0.0', prefixLength: 16 },
        bridgeAddress: undefined,
        containerGateway: undefined,
      });
    }
  });

  t.test('DefaultGatewayIPv4 gives containers another gateway', async (t) => {
    const auxAddresses = { DefaultGatewayIPv4: '10.5.0.9/24', printer: '10.5.0.8/24' };
    const pool = { pool: '10.5.0.0/24', gateway: '10.5.0.1/24', auxAddresses };
    t.match(networkSpec({ ipv4: [pool] }).ipv4, {
      bridgeAddress: { address: '10.5.0.1' },
      containerGateway: '10.5.0.9',
    });
    const empty = { ...pool, auxAddresses: { DefaultGatewayIPv4: '' } };
    t.equal(networkSpec({ ipv4: [empty] }).ipv4?.containerGateway, '10.5.0.1');
    const v6 = { pool: 'fd00::/64', auxAddresses: { DefaultGatewayIPv6: 'fd00::9/64' } };
    t.equal(networkSpec({ ipv6: [v6] }).ipv6?.containerGateway, 'fd00::9');
  });

  t.test('an internal network gives containers no gateway', async (t) => {
    const options = { 'com.docker.network.internal': true };
    t.match(networkSpec({ options }), {
      internal: true,
      ipv4: { bridgeAddress: { address: '10.5.0.1' }, containerGateway: undefined },
    });
    const isolated = { [bridge('gateway_mode_ipv4')]: 'isolated' };
    t.equal(networkSpec({ options, labels: isolated }).ipv4?.gatewayMode, 'isolated');
  });

  t.test('a network may have IPv6 alone', async (t) => {
    const options = { 'com.docker.network.enable_ipv4': false };
    const spec = networkSpec({ options, ipv4: [], ipv6: [{ pool: 'fe80::/64' }] });
    t.equal(spec.ipv4, undefined);
    t.equal(spec.ipv6?.subnet.address, 'fe80::', 'the link-local prefix itself is allowed');
  });
});

t.test("options of other drivers have no effect, and one like Docker's is warned of", async (t) => {
  const labels = { parent: 'eth0', 'com.example.x': 'y', [bridge('enable_ip_masq')]: 'false' };
  const { spec, warnings } = parseNetwork(networkInput({ labels }));
  t.strictSame(spec, networkSpec());
  t.match(warnings, [/enable_ip_masq is not known .* did you mean \S+enable_ip_masquerade\?/]);
  t.equal(warnings.length, 1);
});

t.test('options that have no effect together are warned of', async (t) => {
  const labels = {
    'com.docker.network.host_ipv4': '192.0.2.9',
    [bridge('enable_ip_masquerade')]: 'false',
  };
  t.match(parseNetwork(networkInput({ labels })).warnings, [/host_ipv4 has .*masquerading is off/]);
  const options = { 'com.docker.network.internal': true };
  t.match(parseNetwork(networkInput({ labels, options })).warnings, [/the network is internal/]);
});

t.test('GwAllocCheck skips the gateway of families that have none', async (t) => {
  const skipped = (labels: Record<string, string>, internal = true) =>
    parseSkippedGateways({
      'com.docker.network.generic': labels,
      'com.docker.network.internal': internal,
    });
  const none = { ipv4: false, ipv6: false };
  t.strictSame(skipped({}), none);
  t.strictSame(parseSkippedGateways({}), none);
  const neither = { 'com.docker.network.enable_ipv4': false };
  t.strictSame(parseSkippedGateways(neither), none, 'CreateNetwork refuses it, by name');
  t.strictSame(skipped({ [bridge('inhibit_ipv4')]: 'true' }), { ipv4: true, ipv6: false });
  t.strictSame(skipped({ [bridge('inhibit_ipv4')]: 'true' }, false), none);
  t.strictSame(
    skipped({
      [bridge('gateway_mode_ipv4')]: 'isolated',
      [bridge('gateway_mode_ipv6')]: 'isolated',
    }),
    { ipv4: true, ipv6: true },
  );
  const wrong = { [bridge('gateway_mode_ipv4')]: 'x' };
  t.match(
    messageFrom(() => skipped(wrong)),
    /^creating a network: failed to parse .*_ipv4/,
  );
});

t.test('any JSON is parsed or refused, and keys of Object.prototype are only names', async (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (labels, value, text) => {
      const input = networkInput({
        options: { 'com.docker.network.generic': labels, 'com.docker.network.internal': value },
        ipv4: [{ pool: text, gateway: text, auxAddresses: JSON.parse('{"__proto__":"x"}') }],
      });
      try {
        parseNetwork(input);
      } catch (error) {
        if (!(error instanceof DriverError)) throw error;
      }
    }),
    { numRuns: 500 },
  );
  const hostile = JSON.parse('{"__proto__":{"tsbridge.x":"1"},"constructor":"y"}');
  t.strictSame(parseNetwork(networkInput({ labels: hostile })).spec, networkSpec());
});
