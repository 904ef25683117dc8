/** Scenarios with IPv6, for engines that write rules for it. */
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
import { internalGateway } from './scenarios.js';

const userChain: Exception = {
  listedAs: '`DOCKER-USER` also for IPv6 on 20.10',
  lines: /^6 filter.*DOCKER-USER/,
  engines: ['20.10'],
};

const internalRules: Exception = {
  listedAs: 'Internal networks with IPv6 on 20.10 get the rules of 26.1',
  lines: /fd00:6::\/64 .*br-<app> .*-j DROP/,
  engines: ['20.10'],
};

const subnet6 = ['--ipv6', '--subnet', 'fd00:6::/64'];

const published: Scenario = {
  name: 'IPv6: published ports',
  steps: [
    create('app', ...subnet6),
    start('plain', '--network', 'app'),
    start('tcp', '--network', 'app', '-p', '8080:80'),
    start('udp', '--network', 'app', '-p', '5353:53/udp'),
    start('address', '--network', 'app', '-p', '[2001:db8:0:2::1]:8082:82'),
    start('loopback', '--network', 'app', '-p', '[::1]:8081:81'),
    start('every', '--network', 'app', '-p', '[::]:8083:83'),
    start('four', '--network', 'app', '-p', '0.0.0.0:8084:84'),
    start('own', '--network', 'app', '--ip6', 'fd00:6::99', '-p', '8085:85'),
    ['restart', 'tcp'],
    remove('plain', 'tcp', 'udp', 'address', 'loopback', 'every', 'four', 'own'),
    removeNetwork('app'),
  ],
};

const mixed: Scenario = {
  name: 'IPv6: beside a network without',
  steps: [
    create('app', ...subnet6),
    create('four'),
    start('web', '--network', 'four', '-p', '8080:80'),
    start('both', '--network', 'app', '-p', '8081:80'),
    ['network', 'connect', 'four', 'both'],
    ['network', 'connect', 'app', 'web'],
    ['network', 'disconnect', 'four', 'web'],
    remove('web', 'both'),
    removeNetwork('app'),
    removeNetwork('four'),
  ],
};

const scenarios: readonly Scenario[] = [
  published,
  mixed,
  around('IPv6: --internal', ['--internal', ...subnet6], [], {
    exceptions: [internalGateway, internalRules],
  }),
  around('IPv6: icc off', [...subnet6, ...option('bridge.enable_icc', 'false')]),
  around(
    'IPv6: icc off, --internal',
    [...['--internal', ...subnet6], ...option('bridge.enable_icc', 'false')],
    [],
    { exceptions: [internalGateway, internalRules] },
  ),
  around('IPv6: masquerade off', [...subnet6, ...option('bridge.enable_ip_masquerade', 'false')]),
  around('IPv6: subnet and gateway', [...subnet6, '--gateway', 'fd00:6::fe']),
  around('IPv6: another default gateway', [
    ...subnet6,
    ...['--aux-address', 'DefaultGatewayIPv6=fd00:6::9'],
  ]),
  around('IPv6: default host address', [
    ...subnet6,
    ...option('bridge.host_binding_ipv4', '2001:db8:0:2::1'),
  ]),
];

/** The option came with 25. */
export const sourceAddress6: Scenario = around('IPv6: source address', [
  ...subnet6,
  ...option('host_ipv6', '2001:db8:0:2::1'),
]);

const withUserChain = (scenario: Scenario): Scenario => ({
  ...scenario,
  exceptions: [...(scenario.exceptions ?? []), userChain],
});

export const ipv6: readonly Scenario[] = scenarios.map(withUserChain);
export const ipv6WithoutProxy: readonly Scenario[] = [withUserChain(published)];
