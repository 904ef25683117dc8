/** Faults of FRR beside tsbridge, and what is none. */
import { parseFrrConfig } from '../../../src/codec/frr-config.js';
import type { FactParts } from '../../../src/core/doctor/facts.js';
import type { RoutingFacts } from '../../../src/core/doctor/routing-facts.js';
import { frrConfig } from '../../../src/core/routing/frr-config.js';
import { readFrrRequest } from '../../../src/core/routing/request.js';
import { cidr, network, route, sound } from './sound.js';

type Faults = readonly (readonly [string, Partial<FactParts>, RegExp])[];

function text(protocol: 'bgp' | 'ospf', ...pools: string[]): string {
  const request = readFrrRequest({
    ...{ protocol, as: protocol === 'bgp' ? 65_001 : undefined, area: undefined, pools },
    ...{ interfaces: ['eth0'], hostRoutes: [], routerId: undefined },
  });
  if (!('protocol' in request)) throw new Error(request.join('\n'));
  return frrConfig(request);
}
const printed = (...request: Parameters<typeof text>) => parseFrrConfig(text(...request));

/** A configuration as `tsbridge frr-config bgp` prints it for another range, with these lines after it. */
const withLines = (...lines: readonly string[]) =>
  parseFrrConfig(`${text('bgp', '172.20.0.0/16')}${lines.join('\n')}\n`);
const everything = parseFrrConfig(
  [
    'ip prefix-list TSBRIDGE-SUBNETS permit 10.0.0.0/8',
    'router bgp 1',
    ' redistribute connected',
  ].join('\n'),
);
/** A configuration that announces only routes of other tables than the host's own. */
const elsewhere = parseFrrConfig('router bgp 1 vrf red\n redistribute connected\n');

const whole = printed('bgp', '172.20.0.0/14');
const nothing = parseFrrConfig('');
const routing = (more: Partial<RoutingFacts>) => ({
  routing: {
    ...{ daemons: ['bgpd', 'zebra'], written: whole, running: whole },
    ...{ routes: [cidr('172.20.0.0/16'), cidr('172.21.0.0/16')] },
    ...more,
  },
});
const addresses = {
  records: { ...sound.records, networks: [network(20, { announce: 'addresses' })] },
};

export const soundRouting: readonly (readonly [string, Partial<FactParts>])[] = [
  ['FRR with what is printed', routing({})],
  ['and with addresses', { ...routing({}), ...addresses }],
  ['FRR of others', routing({ daemons: ['zebra'], written: nothing, running: nothing })],
  ['FRR that does not answer', { routing: { daemons: ['bgpd', 'zebra'], written: whole } }],
  [
    'networks that are not announced',
    {
      ...routing({ daemons: [] }),
      records: {
        ...sound.records,
        networks: [network(20, { announce: 'none' }), network(21, { internal: true })],
      },
    },
  ],
  ['FRR that announces all connected networks', routing({ running: everything })],
  [
    'a list that permits everything',
    routing({ running: withLines('ip prefix-list TSBRIDGE-SUBNETS permit any') }),
  ],
  ['a network without containers', routing({ routes: [cidr('172.20.0.0/16')] })],
];

export const faultsOfRouting: Faults = [
  [
    'frr-not-running',
    routing({ daemons: ['zebra'] }),
    /^this host \| bgpd does not run; \/etc\/frr\/frr\.conf has TSBRIDGE-SUBNETS \| systemctl restart frr$/,
  ],
  [
    'frr-not-running',
    { routing: { daemons: [], written: printed('ospf', '172.20.0.0/14') } },
    /zebra, ospfd does not run/,
  ],
  [
    'frr-not-running',
    { ...addresses, routing: { daemons: [], written: nothing } },
    /bgpd or ospfd does not run; net20 has announce=addresses/,
  ],
  [
    'frr-not-announcing',
    routing({ written: nothing, running: nothing }),
    /no “redistribute connected” in FRR’s running configuration; 2 networks \| tsbridge frr-config bgp --help$/,
  ],
  [
    'frr-not-announcing',
    routing({ written: nothing, running: elsewhere }),
    /no “redistribute connected” in FRR’s running configuration; 2 networks/,
  ],
  [
    'frr-range-missing',
    routing({
      running: withLines(
        'ip prefix-list TSBRIDGE-SUBNETS seq 50 permit 172.0.0.0/8 le 30',
        'ip prefix-list TSBRIDGE-SUBNETS seq 7 deny 172.21.0.0/16 le 32',
      ),
    }),
    /^net21 \| 172\.21\.0\.0\/16 is denied by entry 7 of TSBRIDGE-SUBNETS \| vtysh -c 'show ip prefix-list TSBRIDGE-SUBNETS'$/,
  ],
  [
    'frr-addresses-not-announced',
    {
      ...addresses,
      ...routing({ daemons: ['ospfd', 'zebra'], written: nothing, running: nothing }),
    },
    /^net20 \| no “redistribute kernel” .*\| tsbridge frr-config ospf --help$/,
  ],
  [
    'frr-range-missing',
    routing({ running: printed('bgp', '172.20.0.0/16', '10.9.1.0/24') }),
    /^net21 \| 172\.21\.0\.0\/16 is in none of 172\.20\.0\.0\/16, 10\.9\.1\.0\/24 \| vtysh -c 'configure terminal' -c 'ip prefix-list TSBRIDGE-SUBNETS permit 172\.21\.0\.0\/16' -c end -c 'write memory'$/,
  ],
  [
    'frr-route-unseen',
    routing({ routes: [cidr('172.21.0.0/16')] }),
    /^net20 \| zebra has no route to 172\.20\.0\.0\/16 of br-20 \| systemctl restart frr$/,
  ],
  [
    'rp-filter-strict',
    {
      routes: [
        ...sound.routes,
        route('eth1', { destination: cidr('10.9.2.0/24'), protocol: 'bgp' }),
        route('eth2', { destination: cidr('10.9.2.0/24'), protocol: 'bgp' }),
      ],
      settings: new Map([...sound.settings, ['net/ipv4/conf/eth2/rp_filter', '1']]),
    },
    /^eth2 \| rp_filter is 1 on eth2; packets come and go by eth0, eth1, eth2 \|/,
  ],
];
