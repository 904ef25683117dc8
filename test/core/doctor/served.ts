/** Faults of ports whose packets pass the rules, and of the host's kernel and its other programs. */
import { parseCidr } from '../../../src/core/address.js';
import type { AddressPool, FactParts } from '../../../src/core/doctor/facts.js';
import { ip } from '../explain/host.js';
import { cidr, link, port, sound, tables } from './sound.js';

type Faults = readonly (readonly [string, Partial<FactParts>, RegExp])[];

const udp = { ...port, protocol: 'udp' as const, hostPort: 53 };
const flow = (to: string, destination = '192.0.2.1', source = '198.51.100.9', number = 53) => ({
  ...{ source: ip(source), destination: ip(destination), port: number, to: ip(to) },
});
const records = (...ports: FactParts['records']['ports']) => ({
  records: { ...sound.records, ports },
  sockets: ports.map(({ protocol, hostPort }) => ({
    ...{ protocol, address: ip('0.0.0.0'), port: hostPort },
    program: { pid: 7, name: 'tsbridge-proxy' },
  })),
});

/** Of UDP flows: what is no fault. */
export const soundFlows: readonly (readonly [string, Partial<FactParts>])[] = [
  ['to the container', { ...records(udp), udpFlows: [flow('172.20.0.2')] }],
  ['to another host', { ...records(udp), udpFlows: [flow('10.0.0.9', '203.0.113.5')] }],
  [
    'to another port',
    { ...records(udp), udpFlows: [flow('10.0.0.9', '192.0.2.1', '10.1.1.1', 54)] },
  ],
  [
    'to an address at which the port is not published',
    { ...records({ ...udp, hostIp: ip('192.0.2.7') }), udpFlows: [flow('10.0.0.9')] },
  ],
  ['of a port of TCP', { udpFlows: [flow('10.0.0.9', '192.0.2.1', '10.1.1.1', 8080)] }],
];

export const faultsOfServing: Faults = [
  [
    'nobody-listens',
    { deaf: [{ port, on: [] }] },
    /^0\.0\.0\.0:8080\/tcp \| nothing listens at port 80\/tcp of web; packets come to 172\.20\.0\.2 \| tsbridge ports --port 8080$/,
  ],
  [
    'listens-elsewhere',
    { deaf: [{ port, on: [ip('127.0.0.1'), ip('::1')] }] },
    /programs listen on 127\.0\.0\.1, ::1 at port 80/,
  ],
  [
    'stale-udp-flow',
    {
      ...records(udp),
      udpFlows: [flow('172.20.0.9'), flow('172.20.0.9', '192.0.2.1', '10.9.9.9')],
    },
    /^0\.0\.0\.0:53\/udp \| packets of 198\.51\.100\.9, and 1 more to 0\.0\.0\.0:53\/udp go to 172\.20\.0\.9; web is 172\.20\.0\.2 \| conntrack -D -f ipv4 -p udp --orig-port-dst 53 --reply-src 172\.20\.0\.9$/,
  ],
  [
    'stale-udp-flow',
    {
      ...records({ ...udp, hostIp: ip('2001:db8::1'), containerIp: ip('fd00:20::2') }),
      udpFlows: [flow('fd00:20::9', '2001:db8::1', '2001:db8::77')],
    },
    /^\[2001:db8::1\]:53\/udp \|.* \| conntrack -D -f ipv6 /,
  ],
  [
    'proxy-hides-clients',
    records(port, { ...port, hostIp: ip('::') }, { ...port, hostIp: ip('::'), hostPort: 8081 }),
    /^net20 \| \[::\]:8080\/tcp of web, \[::\]:8081\/tcp of web \| docker network create -d tsbridge --ipv6 net20-6$/,
  ],
];

const engine = (more: Partial<NonNullable<FactParts['engine']['settings']>>) => ({
  engine: {
    ...sound.engine,
    settings: { liveRestore: true, pools: [] as readonly AddressPool[], ...more },
  },
});
const others = [
  link('virbr0', { addresses: [cidr('10.9.0.1/24')] }),
  link('tap0', { kind: 'tun', master: 'virbr0' }),
  link('docker0', { addresses: [cidr('172.17.0.1/16')] }),
  link('veth9', { kind: 'veth', master: 'docker0' }),
];
const bridged = {
  settings: new Map([...sound.settings, ['net/bridge/bridge-nf-call-iptables', '1']]),
  links: [...sound.links, ...others],
};
const filter = (rule: string) =>
  tables(
    `*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:X - [0:0]\n-A X ${rule} -j ACCEPT\nCOMMIT`,
  );

/** Of frames of others' bridges: what is no fault. */
export const soundBridges: readonly (readonly [string, Partial<FactParts>])[] = [
  [
    'a rule accepts what stays on the bridge',
    { ...bridged, rules: [...sound.rules, ...filter('-i virbr0 -o virbr0')] },
  ],
  ['the policy accepts', { ...bridged, rules: [], own: { writesRules: { 4: false, 6: false } } }],
];

const pool = (text: string, size: number): AddressPool => ({
  base: parseCidr(text) ?? never(),
  size,
});
function never(): never {
  throw new Error('no network');
}

export const faultsOfHost: Faults = [
  [
    'kernel-too-old',
    { kernel: '3.10.0-1160.el7' },
    /this is Linux 3\.10\.0-1160\.el7 \| uname -a$/,
  ],
  ['kernel-too-old', { kernel: '4.17' }, /Linux 4\.17/],
  [
    'kernel-without-features',
    { kernel: '5.10.0-28-amd64' },
    /leaves its table .*\(Linux 5\.12 does not\) \|/,
  ],
  ['kernel-without-features', { kernel: '4.19' }, /whole table \(Linux 5\.8 does not\); a killed/],
  [
    'trace-left',
    { leftTraces: ['tsbridge-trace-7'] },
    /^tsbridge-trace-7 \| .* \| nft delete table inet tsbridge-trace-7$/,
  ],
  ['starts-after-docker', { socketUnit: 'disabled' }, /enable --now tsbridge\.socket$/],
  ['engine-stops-containers', engine({ liveRestore: false }), /systemctl reload docker$/],
  [
    'kubernetes-present',
    {
      rules: [
        ...sound.rules,
        ...tables(
          '*nat\n:KUBE-A - [0:0]\n:KUBE-B - [0:0]\n:KUBE-C - [0:0]\n:cali-X - [0:0]\nCOMMIT',
        ),
      ],
    },
    /chains KUBE-A, KUBE-B, KUBE-C, and 1 more \| iptables -S FORWARD$/,
  ],
  [
    'kubernetes-present',
    { rules: [...sound.rules, ...tables('*nat\n:cali-X - [0:0]\nCOMMIT')] },
    /chains cali-X \|/,
  ],
  [
    'bridge-nf-call-others',
    bridged,
    /^virbr0 \|.*no rule accepts from virbr0 to virbr0 \| iptables -I FORWARD -i virbr0 -o virbr0 -j ACCEPT$/,
  ],
  [
    'pools-nearly-empty',
    engine({ pools: [pool('172.20.0.0/15', 16), pool('fd00::/48', 64)] }),
    /0 subnets are left of 172\.20\.0\.0\/15 by \/16 \| docker network prune$/,
  ],
  ['pools-nearly-empty', engine({ pools: [pool('172.20.0.0/14', 16)] }), /2 subnets are left/],
  [
    'proxy-files-nearly-used',
    { proxyFiles: [{ pid: 7, open: 820, most: 1024 }] },
    /process 7 has 820 of 1024 files open \| prlimit --pid 7 --nofile=4096$/,
  ],
];
