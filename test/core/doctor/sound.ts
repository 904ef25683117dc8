/** What is read of a host without a fault: two networks, one port, and the default route by eth0. */
import { engineSettings } from '../../../src/codec/engine-settings-file.js';
import { readTables } from '../../../src/codec/iptables/iptables-words.js';
import { type Cidr, type MacAddress, parseCidr, parseMac } from '../../../src/core/address.js';
import type {
  FactParts,
  KnownAddress,
  KnownNetwork,
  KnownPort,
  Link,
  Route,
} from '../../../src/core/doctor/facts.js';
import type { RuleTable } from '../../../src/core/explain/chains/rule-table.js';
import type { NetworkSpec } from '../../../src/core/network/network.js';
import { ip } from '../explain/host.js';

export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`no network: ${text}`);
  return parsed;
}

export function network(number: number, spec: Partial<NetworkSpec> = {}): KnownNetwork {
  const family = (prefix: string, length: number, separator: string) => ({
    subnet: cidr(`${prefix}${separator === ':' ? '::' : '.0.0'}/${length}`),
    bridgeAddress: cidr(`${prefix}${separator === ':' ? '::1' : '.0.1'}/${length}`),
  });
  const bridge = `br-${number}`;
  const whole = {
    ...{ bridge, internal: false, icc: true, inhibitIpv4: false, mtu: undefined },
    ipv4: { family: 4, ...family(`172.${number}`, 16, '.') },
    ipv6: { family: 6, ...family(`fd00:${number}`, 64, ':') },
    ruleFamilies: [4, 6],
    ...spec,
  };
  // What no check looks at is not there.
  return { spec: whole as unknown as NetworkSpec, name: `net${number}` };
}

export const port: KnownPort = {
  ...{ network: 'net20', container: 'web', bridge: 'br-20', protocol: 'tcp', hostPort: 8080 },
  ...{ hostIp: ip('0.0.0.0'), containerIp: ip('172.20.0.2'), containerPort: 80 },
};

export const address = (container: string): KnownAddress => ({
  ...{ container, bridge: 'br-20', address: ip('172.20.0.2') },
  mac: parseMac('02:42:ac:14:00:02') as MacAddress,
});

export function link(name: string, more: Partial<Link> = {}): Link {
  return { name, kind: 'bridge', mtu: 1500, isUp: true, addresses: [], ...more };
}

export function route(device: string, more: Partial<Route> = {}): Route {
  return { family: 4, device, table: 'main', protocol: 'static', metric: 0, ...more };
}

const filter = `*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o br-20 -j DOCKER
-A FORWARD -i br-20 -j ACCEPT
-A FORWARD -o br-21 -j DOCKER
-A FORWARD -i br-21 -j ACCEPT
COMMIT`;

export const tables = (text: string, family: 4 | 6 = 4, variant: RuleTable['variant'] = 'nft') =>
  readTables(text.split('\n'), family, variant);

export const sound: FactParts = {
  records: {
    networks: [network(20), network(21)],
    addresses: [address('web')],
    ports: [port],
    egress: [{ object: 'net20', address: ip('192.0.2.1') }],
    unreadable: [],
  },
  own: { writesRules: { 4: true, 6: true } },
  settings: new Map([
    ['net/ipv4/ip_forward', '1'],
    ['net/ipv6/conf/all/forwarding', '1'],
    ['net/ipv4/ip_local_port_range', '32768\t60999'],
    ['net/ipv4/ip_local_reserved_ports', ''],
  ]),
  settingLines: [],
  rules: [...tables(filter, 4), ...tables(filter, 6)],
  native: [],
  links: [
    link('eth0', { kind: '', addresses: [cidr('192.0.2.1/24'), cidr('2001:db8::1/64')] }),
    ...[20, 21].map((number) =>
      link(`br-${number}`, {
        addresses: [cidr(`172.${number}.0.1/16`), cidr(`fd00:${number}::1/64`)],
      }),
    ),
    link('veth1', { kind: 'veth', master: 'br-20' }),
  ],
  routes: [
    route('eth0'),
    route('eth0', { family: 6 }),
    route('eth0', { destination: cidr('192.0.2.0/24') }),
    route('br-20', { destination: cidr('172.20.0.0/16') }),
  ],
  conntrack: { entries: 10, most: 1000, dropped: 0 },
  neighbours: [{ family: 4, entries: 10, most: 1024, refused: 0 }],
  managed: [],
  seen: [{ device: 'br-20', address: ip('172.20.0.2'), mac: '02:42:AC:14:00:02' }],
  sockets: [
    {
      ...{ protocol: 'tcp', address: ip('0.0.0.0'), port: 8080 },
      program: { pid: 7, name: 'tsbridge-proxy' },
    },
  ],
  ...{ deaf: [], udpFlows: [], proxyFiles: [{ pid: 7, open: 30, most: 1024 }] },
  ...{ kernel: '6.1.0-18-amd64', leftTraces: [], socketUnit: 'enabled' },
  disk: { folder: '/var/lib/tsbridge', freeBytes: 2 ** 33, totalBytes: 2 ** 34, isMemory: false },
  daemon: {
    ...{ state: 'answers', recovery: 'serving', undone: [], degraded: [], forgotten: [] },
    drift: { count: 0, first: [] },
  },
  plugin: { path: '/run/docker/plugins/tsbridge.sock', isThere: true },
  engine: {
    processes: 1,
    answers: true,
    socket: '/run/docker.sock',
    differences: [],
    settings: engineSettings(['--live-restore'], undefined),
  },
  routing: { daemons: [], written: { protocols: [], redistributed: [], lists: [] } },
  ufwIsOn: false,
  packets: [],
};
