/** Every fault that `tsbridge doctor` knows and that a namespace can have, made on a small host and taken away again. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../process/netns.js';
import { commands, type DoctorHost } from './host.js';
import { faultsOfOthers } from './others.js';
import { faultsOfServing } from './serving.js';

type Effect = readonly string[] | (() => unknown);
export interface Fault {
  readonly code: string;
  readonly make: Effect;
  readonly undo: Effect;
  /** What the finding has to tell. */
  readonly says?: RegExp;
  readonly args?: readonly string[];
}

export const apply = async (effect: Effect): Promise<void> => {
  if (typeof effect === 'function') await effect();
  else commands(...effect);
};
const ruleOf = (line: string): readonly [Effect, Effect] => [
  [`iptables ${line}`],
  [`iptables ${line.replace(/-([AI])\b/, '-D')}`],
];
const added = (code: string, line: string, says?: RegExp): Fault => {
  const [make, undo] = ruleOf(line);
  return { code, make, undo, ...(says === undefined ? {} : { says }) };
};
const routed = (code: string, route: string, says: RegExp): Fault => ({
  ...{ code, says, make: [`ip route add ${route}`], undo: [`ip route del ${route}`] },
});
const all =
  (...effects: readonly Effect[]) =>
  async () => {
    for (const effect of effects) await apply(effect);
  };
/** The host is as `DoctorHost.make` left it. */
export function faultsOf(host: DoctorHost): readonly Fault[] {
  const told = (more: object) => () => {
    host.status = { ...host.status, ...more };
  };
  const sound = () => host.stopDaemon().then(() => host.startDaemon());
  const damaged = join(host.state, 'networks', `${'0'.repeat(64)}.json`);
  const forwardRules = run('iptables-save', ['-t', 'filter']);
  const restoreRules = () => run('iptables-restore', [], forwardRules);
  /** In this mount namespace alone: the kernel has one limit for all namespaces. */
  const covered = (path: string, text: string): readonly [Effect, Effect] => {
    const file = join(host.folder, `${path.replaceAll('/', '-')}-${text.trim()}`);
    writeFileSync(file, text);
    return [[`mount --bind ${file} ${path}`], [`umount ${path}`]];
  };
  const most = '/proc/sys/net/netfilter/nf_conntrack_max';
  const count = '/proc/sys/net/netfilter/nf_conntrack_count';
  const [countSet, countBack] = covered(count, '990\n');
  const [mostSet, mostBack] = covered(most, '1000\n');
  const [fewerSet, fewerBack] = covered(count, '850\n');
  return [
    { code: 'daemon-down', make: () => host.stopDaemon(), undo: () => host.startDaemon() },
    {
      ...{ code: 'daemon-silent', args: ['--timeout=1'], says: /no answer within 1 s/ },
      make: () => host.stopDaemon().then(() => host.startDaemon(false)),
      undo: sound,
    },
    { code: 'recovery-failed', make: told({ state: 'failed' }), undo: sound },
    {
      ...{ code: 'drift', undo: sound, says: /2 changes: \+ a/ },
      make: told({ drift: { count: 2, first: ['+ a'] } }),
    },
    { code: 'degraded', make: told({ degraded: ['nft is missing'] }), undo: sound, says: /nft is/ },
    {
      ...{ code: 'repairs-undone', undo: sound, says: /rules, by firewall-tool/ },
      make: told({ repairs: { rules: { steppedBack: true, last: { author: 'firewall-tool' } } } }),
    },
    {
      ...{ code: 'engine-forgot', undo: sound, says: /network 51e0/ },
      make: told({ forgotten: [{ kind: 'network', id: '51e0', bridge: 'br-1', forSeconds: 9 }] }),
    },
    {
      code: 'plugin-socket-missing',
      make: () => host.stopPlugin(),
      undo: () => host.startPlugin(),
    },
    {
      ...{ code: 'records-unreadable', says: /0000/ },
      make: () => writeFileSync(damaged, 'damaged'),
      undo: () => rmSync(damaged),
    },
    {
      code: 'proxy-dead',
      make: () => host.stopPorts(),
      undo: () => host.startPorts('tsbridge-proxy'),
    },
    {
      ...{ code: 'port-taken', says: /held by thief \(process \d+\)/ },
      make: () => host.stopPorts().then(() => host.startPorts('thief')),
      undo: () => host.stopPorts().then(() => host.startPorts('tsbridge-proxy')),
    },
    {
      code: 'port-not-held',
      make: () => host.stopPorts().then(() => host.startPorts('tsbridge-proxy', 8081)),
      undo: () => host.stopPorts().then(() => host.startPorts('tsbridge-proxy')),
    },
    {
      code: 'engine-down',
      make: () => host.setEngine(join(host.folder, 'nobody.sock')),
      undo: () => host.restoreEngine(),
    },
    ...faultsOfServing(host),
    {
      code: 'port-in-local-range',
      make: ['sysctl -qw net.ipv4.ip_local_port_range=8000\t9000'],
      undo: ['sysctl -qw net.ipv4.ip_local_reserved_ports=8080'],
    },
    {
      ...{ code: 'ip-forward-off', says: /net\.ipv4\.ip_forward = 0, with 2 networks/ },
      make: ['sysctl -qw net.ipv4.ip_forward=0'],
      undo: ['sysctl -qw net.ipv4.ip_forward=1'],
    },
    {
      code: 'ipv6-forward-off',
      make: ['sysctl -qw net.ipv6.conf.all.forwarding=0'],
      undo: ['sysctl -qw net.ipv6.conf.all.forwarding=1'],
    },
    {
      code: 'accept-ra-with-forwarding',
      make: [
        'ip -6 route add default via 2001:db8::fd proto ra metric 2000',
        'sysctl -qw net.ipv6.conf.eth0.accept_ra=1',
      ],
      undo: [
        'sysctl -qw net.ipv6.conf.eth0.accept_ra=2',
        'ip -6 route del default via 2001:db8::fd proto ra metric 2000',
      ],
    },
    {
      ...{
        code: 'rp-filter-strict',
        says: /rp_filter is 1 on v2; packets come and go by v2, eth0/,
      },
      make: ['ip route add default dev v2 table 99', 'sysctl -qw net.ipv4.conf.v2.rp_filter=1'],
      undo: ['sysctl -qw net.ipv4.conf.v2.rp_filter=2', 'ip route del default dev v2 table 99'],
    },
    {
      ...{ code: 'bridge-nf-call-off', says: /bridge-nf-call-iptables/ },
      make: all(
        () => host.writeRecords({ icc: false }),
        ['sysctl -qw net.bridge.bridge-nf-call-iptables=0'],
      ),
      undo: all(() => host.writeRecords(), ['sysctl -qw net.bridge.bridge-nf-call-iptables=1']),
    },
    {
      code: 'bridge-down',
      make: ['ip link set br-2 down'],
      undo: ['ip link set br-2 up', 'ip -6 address add fd00:21::1/64 dev br-2 nodad'],
    },
    {
      ...{ code: 'bridge-without-address', says: /br-2 has no 172\.21\.0\.1\/16/ },
      make: ['ip address del 172.21.0.1/16 dev br-2'],
      undo: ['ip address add 172.21.0.1/16 dev br-2'],
    },
    {
      code: 'bridge-missing',
      make: ['ip link delete br-2'],
      undo: [
        'ip link add br-2 type bridge',
        'ip link set br-2 up',
        'ip address add 172.21.0.1/16 dev br-2',
        'ip -6 address add fd00:21::1/64 dev br-2 nodad',
      ],
    },
    routed('network-on-uplink', 'default dev br-1 metric 9999', /default route leaves by br-1/),
    {
      ...{ code: 'egress-address-missing', says: /no interface has 192\.0\.2\.77/ },
      make: () => host.writeRecords({ egressIp: '192.0.2.77' }),
      undo: () => host.writeRecords(),
    },
    {
      ...{ code: 'mtu-above-uplink', says: /br-1 has 1500, eth0 has 1400/ },
      make: ['ip link set eth0 mtu 1400'],
      undo: ['ip link set eth0 mtu 1500'],
    },
    {
      ...{ code: 'mtu-uneven', says: /v1 has 1400/ },
      // A bridge follows its ports until somebody has set its MTU.
      make: ['ip link set br-1 mtu 1400', 'ip link set br-1 mtu 1500', 'ip link set v1 mtu 1400'],
      undo: ['ip link set v1 mtu 1500'],
    },
    routed('subnet-overlaps-route', '172.20.5.0/24 dev eth0 table 77', /eth0 \(table 77\)/),
    {
      ...{ code: 'subnet-overlaps-network', says: /v2 has 172\.20\.9\.1\/24/ },
      make: ['ip address add 172.20.9.1/24 dev v2'],
      undo: ['ip address del 172.20.9.1/24 dev v2'],
    },
    { code: 'chains-missing', make: ['iptables -D FORWARD -j DOCKER-USER'], undo: restoreRules },
    {
      ...{ code: 'rules-missing', says: /names br-2/ },
      make: [
        'iptables -D FORWARD -o br-2 -j DOCKER',
        'iptables -D FORWARD -i br-2 ! -o br-2 -j ACCEPT',
      ],
      undo: restoreRules,
    },
    {
      ...{ code: 'map-missing', says: /IPv4: no table ip tsbridge/ },
      make: () => host.writeRecords({ portRules: 'map' }),
      undo: () => host.writeRecords(),
    },
    ...faultsOfOthers,
    {
      code: 'variants-mixed',
      make: ['iptables-legacy -N DOCKER'],
      undo: ['iptables-legacy -X DOCKER'],
    },
    {
      ...{ code: 'legacy-leftovers', says: /1 rules and 0 policies/ },
      make: ['iptables-legacy -A INPUT -s 203.0.113.0/24 -j DROP'],
      undo: ['iptables-legacy -F INPUT'],
    },
    {
      ...{ code: 'native-table-drops', says: /table inet my, chain f: policy drop refuses/ },
      make: () =>
        run(
          'nft',
          ['-f', '-'],
          'table inet my { chain f { type filter hook forward priority 0; policy drop; }; }',
        ),
      undo: ['nft delete table inet my'],
    },
    {
      code: 'engine-uses-nftables',
      make: () =>
        run(
          'nft',
          ['-f', '-'],
          'table ip docker-bridges { chain f { type filter hook forward priority 0; }; }',
        ),
      undo: ['nft delete table ip docker-bridges'],
    },
    {
      ...{ code: 'packets-lost', says: /no route|unreachable/ },
      make: ['ip route add unreachable 198.51.100.0/24'],
      undo: ['ip route del unreachable 198.51.100.0/24'],
    },
    {
      ...{ code: 'forward-policy-drops', says: /policy DROP of FORWARD refuses 172\.21\.0\.2/ },
      make: ['iptables -D FORWARD -i br-2 ! -o br-2 -j ACCEPT'],
      undo: restoreRules,
    },
    added('packets-refused', '-I FORWARD -i br-1 -j DROP', /-A FORWARD -i br-1 -j DROP refuses/),
    {
      ...{ code: 'ufw-refuses', says: /\[ufw\] refuses/ },
      make: [
        'iptables -N ufw-user-forward',
        'iptables -A ufw-user-forward -j DROP',
        'iptables -I FORWARD -j ufw-user-forward',
      ],
      undo: restoreRules,
    },
    added('docker-user-drops', '-I DOCKER-USER -i eth0 -j DROP', /8080\/tcp of c0ff/),
    {
      code: 'forward-policy-drops-others',
      make: () => {
        run('ip', ['link', 'add', '$(id)\u001b[1m', 'type', 'bridge']);
        run('ip', ['address', 'add', '10.9.0.1/24', 'dev', '$(id)\u001b[1m']);
        run('ip', ['link', 'set', '$(id)\u001b[1m', 'up']);
      },
      undo: () => run('ip', ['link', 'delete', '$(id)\u001b[1m']),
    },
    {
      ...{ code: 'conntrack-full', says: /990 of 1000/ },
      make: all(mostSet, countSet),
      undo: all(countBack, mostBack),
    },
    {
      ...{ code: 'conntrack-nearly-full', says: /850 of 1000/ },
      make: all(mostSet, fewerSet),
      undo: all(fewerBack, mostBack),
    },
    ...(['state-in-memory', 'disk-full', 'disk-nearly-full'] as const).map(
      (code): Fault => ({
        code,
        make: () => {
          const size = code === 'disk-nearly-full' ? '40m' : '900k';
          run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', host.state]);
          if (code === 'disk-nearly-full') run('fallocate', ['-l', '39200k', `${host.state}/much`]);
          host.writeRecords();
        },
        undo: () => run('umount', [host.state]),
      }),
    ),
  ];
}
