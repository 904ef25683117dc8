/** Scenarios with what came with Docker 27 and 28. */
import { around, create, option, remove, removeNetwork, type Scenario, start } from './scenario.js';

const subnet6 = ['--ipv6', '--subnet', 'fd00:6::/64'];
const mode4 = (mode: string): string[] => option('bridge.gateway_mode_ipv4', mode);
const mode6 = (mode: string): string[] => option('bridge.gateway_mode_ipv6', mode);

const routed: Scenario = {
  name: 'routed: kinds of ports',
  steps: [
    create('app', ...mode4('routed')),
    create('beside'),
    start('web', '--network', 'app', '-p', '8080:80'),
    start('any', '--network', 'app', '-p', '81', '-p', '82/udp'),
    start('address', '--network', 'app', '-p', '192.0.2.1:8083:83'),
    start('other', '--network', 'beside', '-p', '8090:80'),
    ['restart', 'web'],
    remove('web', 'any', 'address', 'other'),
    removeNetwork('app'),
    removeNetwork('beside'),
  ],
};

/** The port of `::` leads to the container's IPv4 address, through the proxy. */
const routedWithProxy: Scenario = {
  name: 'routed: the same port on `::`',
  steps: [
    create('app', ...mode4('routed')),
    start('web', '--network', 'app', '-p', '8080:80'),
    { refused: start('same', '--network', 'app', '-p', '8080:84') },
    remove('web', 'same'),
    removeNetwork('app'),
  ],
};

const onlyIpv6: Scenario = {
  name: 'IPv6 only',
  steps: [
    create('app', '--ipv4=false', ...subnet6),
    start('web', '--network', 'app', '-p', '8080:80'),
    start('udp', '--network', 'app', '-p', '5353:53/udp'),
    start('four', '--network', 'app', '-p', '0.0.0.0:8081:81'),
    remove('web', 'udp', 'four'),
    removeNetwork('app'),
  ],
};

/** The container's IPv6 gateway is on another network than its IPv4 gateway. */
const twoGateways: Scenario = {
  name: 'a gateway on each of two networks',
  steps: [
    create('app'),
    create('six', '--ipv4=false', ...subnet6),
    start('web', '--network', 'app', '-p', '8080:80'),
    ['network', 'connect', 'six', 'web'],
    ['network', 'disconnect', 'six', 'web'],
    remove('web'),
    removeNetwork('app'),
    removeNetwork('six'),
  ],
};

export const gatewayModes: readonly Scenario[] = [
  around('nat-unprotected', mode4('nat-unprotected')),
  around('nat-unprotected, both families', [
    ...subnet6,
    ...mode4('nat-unprotected'),
    ...mode6('nat-unprotected'),
  ]),
  routed,
  around('routed, both families', [...subnet6, ...mode4('routed'), ...mode6('routed')]),
  around('IPv6 routed, IPv4 nat', [...subnet6, ...mode6('routed')]),
  around('routed, icc off', [...mode4('routed'), ...option('bridge.enable_icc', 'false')]),
  around('routed, masquerade off', [
    ...mode4('routed'),
    ...option('bridge.enable_ip_masquerade', 'false'),
  ]),
  around('isolated', ['--internal', ...mode4('isolated')]),
  around('isolated, both families', [
    ...['--internal', ...subnet6],
    ...mode4('isolated'),
    ...mode6('isolated'),
  ]),
  around('isolated, icc off', [
    ...['--internal', ...mode4('isolated')],
    ...option('bridge.enable_icc', 'false'),
  ]),
];

export const since28: readonly Scenario[] = [
  ...gatewayModes,
  routedWithProxy,
  onlyIpv6,
  twoGateways,
  around('trusted interfaces', [
    ...subnet6,
    ...option('bridge.trusted_host_interfaces', 'lo:docker0'),
  ]),
  around('--internal, no address on the bridge', [
    ...['--internal', '--subnet', '10.6.0.0/24'],
    ...option('bridge.inhibit_ipv4', 'true'),
  ]),
];

/** What direct routing changes. */
export const directRouting: readonly Scenario[] = [
  around('direct routing', subnet6),
  around('direct routing, published on 127.0.0.1', option('bridge.host_binding_ipv4', '127.0.0.1')),
];
