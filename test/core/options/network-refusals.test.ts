/** Networks that are refused, with what is said of them. */
import t from 'tap';
import { DriverError } from '../../../src/core/errors.js';
import { parseNetwork } from '../../../src/core/options/network-options.js';
import { bridgeLabel as bridge, messageFrom, networkInput } from '../../fakes/inputs.js';

const refusal = (parts: Parameters<typeof networkInput>[0]) =>
  messageFrom(() => parseNetwork(networkInput(parts)));

/** What is refused → what the message says of it. */
const refused: readonly [string, Parameters<typeof networkInput>[0], RegExp][] = [
  [
    'mtu',
    { labels: { 'com.docker.network.driver.mtu': 'x' } },
    /^creating network a941c14b8f93: failed to parse com\.docker\.network\.driver\.mtu value: x \(not an integer\)$/,
  ],
  ['mtu', { labels: { 'com.docker.network.driver.mtu': '-1' } }, /invalid MTU number: -1 /],
  ['mtu', { labels: { 'com.docker.network.driver.mtu': '67' } }, /67 .*use 68 to 65535/],
  ['mtu', { labels: { 'com.docker.network.driver.mtu': '65536' } }, /number: 65536/],
  [
    'mtu',
    { labels: { 'com.docker.network.driver.mtu': '1279' }, ipv6: [{ pool: 'fd00::/64' }] },
    /IPv6 needs 1280/,
  ],
  ['bool', { labels: { [bridge('enable_icc')]: 'yes' } }, /enable_icc value: yes \(not a boolean/],
  ['bool', { labels: { [bridge('enable_icc')]: {} } }, /enable_icc value: \{\} \(not a string/],
  ['ip', { labels: { [bridge('host_binding_ipv4')]: '' } }, /value: "" \(nil ip: not an IP/],
  ['v4', { labels: { 'com.docker.network.host_ipv4': '::1' } }, /nil ip: not an IPv4 address/],
  ['v6', { labels: { 'com.docker.network.host_ipv6': '1.2.3.4' } }, /nil ip: not an IPv6 address/],
  ['name', { labels: { [bridge('name')]: 'a-very-long-name' } }, /name value: a-very-long-name \(/],
  ['name', { labels: { [bridge('name')]: 'a/b\n' } }, /value: "a\/b\\n" \(not an interface name/],
  ['prefix', { labels: { 'com.docker.network.container_iface_prefix': 'eth0' } }, /in a digit/],
  [
    'port rules',
    { labels: { 'tsbridge.port_rules': 'range' } },
    /unknown kind of port rules range: use docker, compact, compact-shifted or map/,
  ],
  ['mode', { labels: { [bridge('gateway_mode_ipv4')]: 'rooted' } }, /mode rooted: .* routed\?/],
  ['mode', { labels: { [bridge('gateway_mode_ipv6')]: '' } }, /unknown gateway mode ""/],
  ['mode', { labels: { [bridge('gateway_mode_ipv6')]: 'isolated' } }, /add --internal/],
  [
    'trusted',
    { labels: { [bridge('trusted_host_interfaces')]: 'a:b c' } },
    /value: "b c" \(not an/,
  ],
  ['docker0', { labels: { [bridge('default_bridge')]: 'true' } }, /built-in bridge driver/],
  [
    'own',
    { labels: { 'tsbridge.icc': 'false' } },
    /tsbridge\.icc=false; did you mean com\S+enable_icc\?/,
  ],
  ['own', { labels: { 'tsbridge.qqqqq': '1' } }, /unknown network option tsbridge\.qqqqq=1$/],
  [
    'generic',
    { options: { 'com.docker.network.generic': [] } },
    /unrecognized network configuration/,
  ],
  ['id', { id: '../x' }, /^creating network \.\.\/x: \.\.\/x is not a network id/],
  [
    'no family',
    { options: { 'com.docker.network.enable_ipv4': false } },
    /^creating network [0-9a-f]{12}: IPv4 or IPv6 must be enabled$/,
  ],
  ['pool', { ipv4: [] }, /ipv4 pool is empty/],
  ['pool', { ipv4: [{ addressSpace: 'null', pool: '0.0.0.0/0' }] }, /ipv4 pool is empty/],
  ['pool', { ipv4: [{ pool: 'x' }] }, /invalid IPv4 pool x/],
  ['pool', { ipv4: [{ pool: 'fd00::/64' }] }, /invalid IPv4 pool fd00::\/64/],
  ['pool', { ipv6: [] }, /ipv6 pool is empty/],
  ['pool', { ipv6: [{ pool: '::/0' }] }, /ipv6 pool is empty/],
  [
    'pools',
    { ipv4: [{ pool: '10.1.0.0/16' }, { pool: '10.2.0.0/16' }] },
    /doesn't support multiple subnets: give one of 10\.1\.0\.0\/16, 10\.2\.0\.0\/16/,
  ],
  ['gateway', { ipv4: [{ pool: '10.1.0.0/16', gateway: '10.1.0.1' }] }, /invalid IPv4 gateway/],
  ['gateway', { ipv4: [{ pool: '10.1.0.0/16', gateway: 'fd00::1/64' }] }, /invalid IPv4 gateway/],
  ['gateway', { ipv4: [{ pool: '10.1.0.0/16', gateway: '10.2.0.1/16' }] }, /not in the pool/],
  ['multicast', { ipv4: [{ pool: '224.1.0.0/16' }] }, /multicast subnet '224\.1\.0\.0\/16'/],
  ['multicast', { ipv6: [{ pool: 'ff05::/64' }] }, /multicast subnet 'ff05::\/64'/],
  ['link-local', { ipv6: [{ pool: 'fe80::/10' }] }, /'fe80::\/10' clashes with the Link-Local/],
  ['link-local', { ipv6: [{ pool: 'fe80::/80' }] }, /'fe80::\/80' clashes with the Link-Local/],
  [
    'aux',
    { ipv4: [{ pool: '10.1.0.0/16', auxAddresses: { DefaultGatewayIPv4: '10.2.0.1/16' } }] },
    /default gateway ip must be part of the network: DefaultGatewayIPv4=10\.2\.0\.1/,
  ],
  [
    'aux',
    { ipv4: [{ pool: '10.1.0.0/16', auxAddresses: { DefaultGatewayIPv4: 'x' } }] },
    /invalid auxiliary address DefaultGatewayIPv4=x/,
  ],
  [
    'aux',
    {
      options: { 'com.docker.network.internal': true },
      ipv4: [{ pool: '10.1.0.0/16', auxAddresses: { DefaultGatewayIPv4: '10.1.0.1/16' } }],
    },
    /no gateway can be set on an internal bridge network/,
  ],
];

t.test("a network that cannot be is refused with Docker's words", async (t) => {
  for (const [what, parts, message] of refused) {
    t.throws(() => parseNetwork(networkInput(parts)), DriverError, what);
    t.match(refusal(parts), message, `${what}: ${message}`);
  }
});

t.test('all problems in one message, options before pools', async (t) => {
  const message = refusal({
    labels: {
      'com.docker.network.driver.mtu': 'x',
      'tsbridge.a': '1',
      [bridge('enable_icc')]: 'y',
    },
    ipv4: [],
  });
  t.match(
    message,
    /: 4 problems: \(1\) unknown .*; \(2\) .*enable_icc.*; \(3\) .*mtu.*; \(4\) ipv4/,
  );
});
