/** Scenarios for every engine, IPv4: kinds of ports, kinds of networks. */
import {
  around,
  create,
  type Exception,
  option,
  remove,
  removeNetwork,
  type Scenario,
  start,
} from './scenario.js';

export const internalGateway: Exception = {
  listedAs: 'Internal networks never hand out a gateway.',
  lines: /^in .*: default via/,
  engines: ['20.10'],
};

const bridgeMtu: Exception = {
  listedAs: 'The MTU of a network is also set on its bridge.',
  lines: /: (br-app bridge|br-app\/mtu:|ipv6\/conf\/br-app\/mtu:)/,
  engines: ['20.10'],
};

/** The kinds of published ports, and what happens to them in a container's life. */
export const ports: Scenario = {
  name: 'published ports',
  steps: [
    create('app'),
    start('plain', '--network', 'app'),
    start('tcp', '--network', 'app', '-p', '8080:80'),
    start('udp', '--network', 'app', '-p', '5353:53/udp'),
    start('sctp', '--network', 'app', '-p', '9999:99/sctp'),
    start('range', '--network', 'app', '-p', '7000-7003:70-73'),
    start('address', '--network', 'app', '-p', '192.0.2.1:8082:82'),
    start('loopback', '--network', 'app', '-p', '127.0.0.1:8081:81'),
    start('both', '--network', 'app', '-p', '5000:50/tcp', '-p', '5000:50/udp'),
    start('twice', '--network', 'app', '-p', '6000:60', '-p', '6001:60'),
    ['stop', 'tcp'],
    ['start', 'tcp'],
    ['restart', 'udp'],
    remove('address'),
    remove('plain', 'tcp', 'udp', 'range', 'loopback', 'both', 'twice', 'sctp'),
    removeNetwork('app'),
  ],
};

/** Ports that the host is to choose: of a range the same; of all those that are free, any. */
export const chosenPorts: Scenario = {
  name: 'ports that are chosen',
  steps: [
    create('app'),
    start('any', '--network', 'app', '-p', '80'),
    start('one-of', '--network', 'app', '-p', '7100-7105:70'),
    start('another', '--network', 'app', '-p', '7100-7105:70'),
    start('all', '--network', 'app', '-P', '--expose', '90', '--expose', '91/udp'),
    start('exposed', '--network', 'app', '--expose', '92'),
    ['restart', 'one-of'],
    remove('any', 'one-of', 'another', 'all', 'exposed'),
    removeNetwork('app'),
  ],
};

export const icc = around('icc off', option('bridge.enable_icc', 'false'));
export const internal = around('--internal', ['--internal'], [], {
  exceptions: [internalGateway],
});

/** For engines that leave something to the administrator. */
export const withDefaults = around('as the engine has it', ['--ipv6', '--subnet', 'fd00:6::/64']);

export const secondNetwork: Scenario = {
  name: 'second network',
  steps: [
    create('app'),
    create('back'),
    start('web', '--network', 'app', '-p', '8080:80'),
    start('db', '--network', 'back'),
    ['network', 'connect', 'back', 'web'],
    ['network', 'disconnect', 'app', 'web'],
    ['network', 'connect', 'app', 'web'],
    ['network', 'disconnect', 'back', 'web'],
    remove('web'),
    remove('db'),
    removeNetwork('back'),
    removeNetwork('app'),
  ],
};

export const networks: readonly Scenario[] = [
  internal,
  icc,
  around('icc off, --internal', ['--internal', ...option('bridge.enable_icc', 'false')], [], {
    exceptions: [internalGateway],
  }),
  around('masquerade off', option('bridge.enable_ip_masquerade', 'false')),
  around('masquerade off, icc off', [
    ...option('bridge.enable_ip_masquerade', 'false'),
    ...option('bridge.enable_icc', 'false'),
  ]),
  around('default host address', option('bridge.host_binding_ipv4', '192.0.2.1')),
  around('default host address 127.0.0.1', option('bridge.host_binding_ipv4', '127.0.0.1')),
  around('source address', option('host_ipv4', '192.0.2.1')),
  around('no address on the bridge', [
    ...['--subnet', '10.6.0.0/24'],
    ...option('bridge.inhibit_ipv4', 'true'),
  ]),
  around(
    'bridge name and MTU',
    [...option('bridge.name', 'br-app'), ...option('driver.mtu', '1400')],
    [],
    { exceptions: [bridgeMtu] },
  ),
  around('interface prefix', option('container_iface_prefix', 'net')),
  around('subnet and gateway', ['--subnet', '10.6.0.0/24', '--gateway', '10.6.0.254']),
  around('another default gateway', [
    ...['--subnet', '10.6.0.0/24'],
    ...['--aux-address', 'DefaultGatewayIPv4=10.6.0.9'],
  ]),
  around(
    'own addresses',
    ['--subnet', '10.6.0.0/24'],
    ['--ip', '10.6.0.77', '--mac-address', '02:42:0a:06:00:99'],
  ),
  secondNetwork,
];
