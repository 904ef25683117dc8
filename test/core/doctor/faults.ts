/** What is read of a host with each fault that the doctor knows. */
import type { FactParts, PacketOutcome, SimulatedPacket } from '../../../src/core/doctor/facts.js';
import { ip, packet } from '../explain/host.js';
import { faultsOfOthers } from './others.js';
import { faultsOfRouting } from './routing.js';
import { faultsOfHost, faultsOfServing } from './served.js';
import { cidr, link, network, port, route, sound, tables } from './sound.js';

export const settings = (...more: readonly (readonly [string, string])[]) => ({
  settings: new Map([...sound.settings, ...more]),
});
const daemon = (more: object) => ({ daemon: { ...sound.daemon, ...more } as FactParts['daemon'] });
export const records = (more: Partial<FactParts['records']>) => ({
  records: { ...sound.records, ...more },
});
const disk = (more: Partial<FactParts['disk']>) => ({ disk: { ...sound.disk, ...more } });
export const links = (
  change: (each: FactParts['links'][number]) => FactParts['links'][number] | [],
) => ({
  links: sound.links.flatMap(change),
});
const conntrack = (entries: number) => ({ conntrack: { ...sound.conntrack, entries } });
const neighbours = (entries: number) => ({
  neighbours: [{ family: 6 as const, entries, most: 1000, refused: 3 }],
});
export const held = (program?: { pid: number; name: string }) => ({
  sockets: [
    {
      ...{ protocol: 'tcp' as const, address: ip('0.0.0.0'), port: 8080 },
      ...(program && { program }),
    },
  ],
});
export const packets = (
  ...outcomes: readonly (readonly [SimulatedPacket['kind'], PacketOutcome])[]
) => ({
  packets: outcomes.map(([kind, outcome]): SimulatedPacket => {
    const object =
      kind === 'published' ? '8080/tcp of web' : kind === 'others' ? 'virbr0' : 'net20';
    const bridge = kind === 'others' ? 'virbr0' : 'br-20';
    return { kind, object, bridge, uplink: 'eth0', packet: packet(), outcome };
  }),
});
const refused = (chain: string, text?: string): PacketOutcome => ({
  ...{ end: 'refused', variant: 'nft', table: 'filter', chain },
  ...(text === undefined ? {} : { rule: { number: 3, text } }),
});
const refusedByNft = (table: string, chain: string, text?: string): PacketOutcome => ({
  ...{ ...refused(chain, text), end: 'refused', variant: 'native', table, chain },
});
export const legacy = (text: string) => ({ rules: [...sound.rules, ...tables(text, 4, 'legacy')] });
export const base = (table: string, hook = 'forward') => ({
  native: [{ family: 'inet', table, chain: 'f', hook, policy: 'drop' as const }],
});

/** Code, fault, and what the finding says: `object | evidence | command`. */
export const faults: readonly (readonly [string, Partial<FactParts>, RegExp])[] = [
  ['daemon-down', { daemon: { state: 'absent', words: 'nobody' } }, /\| nobody \| systemctl start/],
  ['daemon-silent', { daemon: { state: 'silent', words: 'no answer' } }, /\| no answer \|/],
  ['recovery-failed', daemon({ recovery: 'failed' }), /tsbridge logs/],
  ['plugin-socket-missing', { plugin: { path: '/p', isThere: false } }, /no socket \/p/],
  ['records-unreadable', records({ unreadable: ['a'] }), /\| a \|/],
  ['records-unreadable', records({ unreadable: ['a', 'b', 'c'] }), /\| a; and 2 more \|/],
  ['repairs-undone', daemon({ undone: [{ concern: 'rules', by: 'ferm' }] }), /rules, by ferm/],
  ['drift', daemon({ drift: { count: 9, first: ['a', 'b', 'c', 'd'] } }), /9 changes: a; b; c \|/],
  ['degraded', daemon({ degraded: ['a', 'b'] }), /\| a; b \|/],
  [
    'egress-address-missing',
    records({ egress: [{ object: 'web', address: ip('192.0.2.9') }] }),
    /^web \| no interface has 192\.0\.2\.9 \| ip address add 192\.0\.2\.9\/32 dev eth0$/,
  ],
  [
    'egress-address-missing',
    {
      ...records({ egress: [{ object: 'web', address: ip('2001:db8::9') }] }),
      routes: [route('eth0')],
    },
    /\| ip address add 2001:db8::9\/128 dev lo$/,
  ],
  ['engine-forgot', daemon({ forgotten: ['network 1'] }), /network 1 \| tsbridge gc/],
  ['engine-down', { engine: { ...sound.engine, answers: false } }, /systemctl start docker/],
  [
    'engine-settings-differ',
    { engine: { ...sound.engine, differences: [{ key: 'k', ours: 'a', engine: 'b' }] } },
    /k: dockerd has b, tsbridge a \| tsbridge setup/,
  ],
  ['proxy-dead', { sockets: [] }, /1 published ports/],
  ['port-not-held', { sockets: [] }, /^0\.0\.0\.0:8080\/tcp \|/],
  ['port-taken', held({ pid: 9, name: 'nginx' }), /held by nginx \(process 9\).*status 9$/],
  [
    'port-in-local-range',
    settings(
      ['net/ipv4/ip_local_port_range', '8000 9000'],
      ['net/ipv4/ip_local_reserved_ports', '80-90,99'],
    ),
    /8080 within 8000 to 9000 \| sysctl -w net\.ipv4\.ip_local_reserved_ports=80-90,99,8080$/,
  ],
  [
    'ip-forward-off',
    {
      ...settings(['net/ipv4/ip_forward', '0']),
      settingLines: [{ file: '/etc/sysctl.d/9.conf', path: 'net/ipv4/ip_forward', value: '0' }],
    },
    /= 0, with 2 networks of IPv4; \/etc\/sysctl\.d\/9\.conf sets it at every start \|/,
  ],
  ['ipv6-forward-off', settings(['net/ipv6/conf/all/forwarding', '0']), /all\.forwarding=1$/],
  [
    'accept-ra-with-forwarding',
    {
      ...settings(['net/ipv6/conf/eth0.7/accept_ra', '1']),
      routes: [...sound.routes, route('eth0.7', { family: 6, protocol: 'ra' })],
    },
    /sysctl -w net\/ipv6\/conf\/eth0\.7\/accept_ra=2$/,
  ],
  [
    'rp-filter-strict',
    {
      ...settings(['net/ipv4/conf/all/rp_filter', '1'], ['net/ipv4/conf/eth0/rp_filter', '2']),
      routes: [...sound.routes, route('wg0', { table: '51820', metric: 9 })],
    },
    /^wg0 \|.*eth0, wg0/,
  ],
  [
    'bridge-nf-call-off',
    {
      ...records({ networks: [network(20, { icc: false, ipv6: undefined })] }),
      ...settings(['net/bridge/bridge-nf-call-iptables', '0']),
    },
    /net20 has icc=false \| sysctl -w net\.bridge\.bridge-nf-call-iptables=1/,
  ],
  [
    'bridge-nf-call-off',
    records({ networks: [network(20, { icc: false })] }),
    /is not there.*modprobe br_netfilter/,
  ],
  [
    'native-table-drops',
    packets(['published', refusedByNft('inet firewalld', 'filter_IN_public', 'reject')]),
    / \| firewall-cmd --zone=public --add-port=\d+\/tcp$/,
  ],
  ...faultsOfOthers(records),
  ...faultsOfServing,
  ...faultsOfHost,
  ...faultsOfRouting,
  ['bridge-missing', links((each) => (each.name === 'br-21' ? [] : each)), /no interface br-21/],
  [
    'bridge-missing',
    {
      ...records({ networks: [network(20), network(21, { segment: 'unmanaged' })] }),
      ...links((each) => (each.name === 'br-21' ? [] : each)),
    },
    /no interface br-21 \| ip link add name br-21 type bridge/,
  ],
  [
    'bridge-down',
    {
      ...records({ networks: [network(20), network(21, { segment: 'unmanaged' })] }),
      ...links((each) => ({ ...each, isUp: each.name !== 'br-21' })),
    },
    /br-21 is down \| ip link set dev br-21 up/,
  ],
  ['bridge-down', links((each) => ({ ...each, isUp: each.name !== 'br-21' })), /br-21 is down/],
  [
    'bridge-without-address',
    links((each) => ({ ...each, addresses: each.addresses.slice(1) })),
    /br-20 has no 172\.20\.0\.1\/16/,
  ],
  [
    'network-on-uplink',
    links((each) => (each.name === 'eth0' ? { ...each, master: 'br-21' } : each)),
    /net21 \| br-21 carries eth0 \| docker network rm net21/,
  ],
  [
    'network-on-uplink',
    { routes: [...sound.routes, route('br-21')] },
    /the default route leaves by br-21/,
  ],
  [
    'mtu-above-uplink',
    links((each) => ({ ...each, mtu: each.kind === '' ? 1400 : 1500 })),
    /TCPMSS/,
  ],
  [
    'mtu-uneven',
    links((each) => ({ ...each, mtu: each.kind === 'veth' ? 1400 : 1500 })),
    /^veth1 \|.*ip link set veth1 mtu 1500$/,
  ],
  [
    'bridge-nearly-full',
    {
      links: [
        ...sound.links,
        ...Array.from({ length: 901 }, (_, index) => link(`p${index}`, { master: 'br-21' })),
      ],
    },
    /^net21 \| br-21 has 901 ports \| docker network create -d tsbridge net21-2$/,
  ],
  [
    'subnet-overlaps-route',
    { routes: [...sound.routes, route('tun0', { destination: cidr('172.16.0.0/12') })] },
    /a route to 172\.16\.0\.0\/12 leaves by tun0/,
  ],
  [
    'subnet-overlaps-network',
    { links: [...sound.links, link('virbr0', { addresses: [cidr('172.21.9.1/24')] })] },
    /virbr0 has 172\.21\.9\.1\/24/,
  ],
  ['chains-missing', { rules: [] }, /IPv4, table filter: no chain DOCKER \|/],
  [
    'chains-missing',
    {
      rules: tables(
        '*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER - [0:0]\nCOMMIT',
      ),
    },
    /FORWARD does not jump/,
  ],
  ['rules-missing', records({ networks: [network(22)] }), /IPv4: no rule .* names br-22/],
  ['variants-mixed', legacy('*nat\n:DOCKER - [0:0]\nCOMMIT'), /\| iptables-legacy-save$/],
  [
    'legacy-leftovers',
    legacy('*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT'),
    /1 rules and 1/,
  ],
  [
    'native-table-drops',
    packets(['outgoing', refusedByNft('inet my', 'f')]),
    /^nft inet my f policy \| table inet my, chain f: policy drop refuses .* \| nft insert rule inet my f iifname br-20 oifname eth0 accept && nft insert rule inet my f ct state established,related accept$/,
  ],
  [
    'native-table-drops',
    packets(['published', refusedByNft('ip my', 'g', 'tcp dport 80 drop')]),
    /^nft ip my g rule 3 \| table ip my, chain g: tcp dport 80 drop refuses .* \| nft insert rule ip my g iifname eth0 meta l4proto tcp ct original proto-dst \d+ accept && /,
  ],
  [
    'native-table-drops',
    packets(['outgoing', refusedByNft('inet firewalld', 'filter_FORWARD', 'reject')]),
    /\[firewalld\].* \| tsbridge reconcile$/,
  ],
  ['engine-uses-nftables', base('docker-bridges', 'prerouting'), /firewall-backend/],
  [
    'ufw-bypassed',
    { ufwIsOn: true },
    /web publishes 0\.0\.0\.0:8080\/tcp \|.*--ctorigdstport 8080/,
  ],
  [
    'ufw-bypassed',
    { ufwIsOn: true, ...records({ ports: [{ ...port, hostIp: ip('::') }, port, port] }) },
    /\[::\]:8080\/tcp, and 2 others/,
  ],
  [
    'packets-lost',
    packets(['outgoing', { end: 'lost', words: 'no route' }]),
    /^net20 \|.*no route \| tsbridge explain 198\.51\.100\.9%eth0 192\.0\.2\.1:80\/tcp$/,
  ],
  ['packets-lost', packets(['published', { end: 'lost', words: 'x' }]), /^port 8080\/tcp of web/],
  [
    'forward-policy-drops',
    packets(['outgoing', refused('FORWARD')], ['published', refused('FORWARD')]),
    /^IPv4 nft filter FORWARD policy \|.*, and 1 more like it \| tsbridge reconcile$/,
  ],
  [
    'packets-refused',
    packets(['outgoing', refused('FORWARD', '-i br-20 -j DROP')]),
    /iptables-nft -t filter -I FORWARD 3 -i br-20 -o eth0 -j ACCEPT$/,
  ],
  [
    'packets-refused',
    packets(['published', refused('f2b-x', '-j REJECT')]),
    /\[fail2ban\].* -I f2b-x 3 -i eth0 -p tcp -m conntrack --ctorigdstport 80 -j ACCEPT$/,
  ],
  [
    'ufw-refuses',
    packets(['outgoing', refused('ufw-x', '-j DROP')]),
    /allow in on br-20 out on eth0/,
  ],
  [
    'ufw-refuses',
    packets(['published', refused('ufw-x', '-j DROP')]),
    /allow in on eth0 out on br-20/,
  ],
  [
    'docker-user-drops',
    packets(['published', refused('DOCKER-USER', '-j DROP')]),
    /-nvL DOCKER-USER/,
  ],
  [
    'forward-policy-drops-others',
    packets(['others', refused('FORWARD')]),
    /^virbr0 \|.*-A FORWARD -i virbr0 -o eth0 -j ACCEPT && /,
  ],
  ['conntrack-full', conntrack(990), /990 of 1000 .*max=2000$/],
  ['conntrack-nearly-full', conntrack(800), /800 of 1000/],
  ['neighbours-full', neighbours(1000), /^IPv6 \|.*net\.ipv6\.neigh\.default\.gc_thresh3=2000$/],
  ['neighbours-nearly-full', neighbours(900), /900 of 1000/],
  ['disk-full', disk({ freeBytes: 1000 }), /0 MiB are free/],
  ['disk-nearly-full', disk({ freeBytes: 50 * 2 ** 20 }), /50 MiB .*du -xsh \/var\/lib\/tsbridge$/],
  ['state-in-memory', disk({ isMemory: true }), /findmnt/],
];
