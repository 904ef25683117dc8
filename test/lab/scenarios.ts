/**
 * Docker commands after each of which the host must look as with the built-in driver.
 */
import { type Command, start } from './parity.js';

export interface Scenario {
  name: string;
  commands: readonly Command[];
  /** Lines of a view in which we differ on purpose; each has its reason where it is given. */
  except?: RegExp;
}

const option = (name: string, value: string): string[] => [
  '-o',
  `com.docker.network.${name}=${value}`,
];
const create = (name: string, ...args: string[]): Command => [
  ...['network', 'create', '-d', 'DRIVER'],
  ...args,
  name,
];
const remove = (...names: string[]): Command => ['rm', '-f', ...names];
const removeNetwork = (name: string): Command => ['network', 'rm', name];

/** Until 25 the containers of an internal network got a default route that led nowhere. */
const NO_WAY_OUT = /^default via/;

/** Until 24 the bridge itself kept the MTU 1500. */
const BRIDGE_MTU = /^(br-app bridge|br-app\/mtu:|ipv6\/conf\/br-app\/mtu:)/;

/** A network with one container and a published port, and its end. */
function around(
  name: string,
  args: readonly string[],
  run: readonly string[] = [],
  except?: RegExp,
): Scenario {
  return {
    name,
    ...(except === undefined ? {} : { except }),
    commands: [
      create('app', ...args),
      start('web', '--network', 'app', '-p', '8080:80', ...run),
      start('other', '--network', 'app'),
      remove('web', 'other'),
      removeNetwork('app'),
    ],
  };
}

/** The kinds of published ports, and what happens to them in a container's life. */
export const ports: Scenario = {
  name: 'published ports',
  commands: [
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

export const networks: readonly Scenario[] = [
  around('--internal', ['--internal'], [], NO_WAY_OUT),
  around('icc off', option('bridge.enable_icc', 'false')),
  around(
    'icc off, --internal',
    ['--internal', ...option('bridge.enable_icc', 'false')],
    [],
    NO_WAY_OUT,
  ),
  around('masquerade off', option('bridge.enable_ip_masquerade', 'false')),
  around('default host address', option('bridge.host_binding_ipv4', '192.0.2.1')),
  around('source address', option('host_ipv4', '192.0.2.1')),
  around('no address on the bridge', [
    ...['--subnet', '10.6.0.0/24'],
    ...option('bridge.inhibit_ipv4', 'true'),
  ]),
  around(
    'bridge name and MTU',
    [...option('bridge.name', 'br-app'), ...option('driver.mtu', '1400')],
    [],
    BRIDGE_MTU,
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
  {
    name: 'second network',
    commands: [
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
  },
];

export const withoutProxy: readonly Scenario[] = [
  ports,
  around('icc off', option('bridge.enable_icc', 'false')),
  around('--internal', ['--internal'], [], NO_WAY_OUT),
];
