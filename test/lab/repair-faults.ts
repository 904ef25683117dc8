/** What administrators and their programs do to a host where tsbridge runs, and what they add to it. */
import type { Fault } from './strike.js';

/** What an administrator and Swarm add: never ours to touch. */
export const foreign = [
  'iptables -N MINE',
  'iptables -A MINE -s 203.0.113.9 -j DROP',
  'iptables -I FORWARD -j MINE',
  'iptables -I DOCKER-USER -s 203.0.113.8 -j DROP',
  'iptables -N DOCKER-INGRESS',
  'iptables -A DOCKER-INGRESS -j RETURN',
  'iptables -I FORWARD -j DOCKER-INGRESS',
  'iptables -t nat -A POSTROUTING -s 203.0.113.0/24 -j MASQUERADE',
].join('\n');

/** Their rules, as they are listed. */
export const administrator = /-A MINE -s 203\.0\.113\.9\/32 -j DROP/;

/** Dumps that faults restore: of the host before us, and of now. */
export const dump = (name: string) => `iptables-save > /tmp/${name}`;

export const ruleFaults: Fault[] = [
  { name: 'iptables -F', script: 'iptables -F', repairs: 'rules', author: /^iptables \(proc/ },
  {
    name: 'iptables -t nat -F',
    script: 'iptables -t nat -F',
    repairs: 'rules',
    author: /^iptables \(/,
  },
  {
    name: 'iptables -X DOCKER and friends',
    script: [
      "chains=$(iptables -S | sed -n 's/^-N DOCKER/DOCKER/p' | grep -v -e USER -e INGRESS)",
      'for chain in FORWARD $chains; do iptables -F $chain; done',
      'for chain in $chains; do iptables -X $chain; done',
      'for chain in PREROUTING OUTPUT DOCKER; do iptables -t nat -F $chain; done',
      'iptables -t nat -X DOCKER',
    ].join('\n'),
    repairs: 'rules',
    author: /^iptables \(\d+ processes/,
  },
  {
    name: 'iptables-restore of an old dump',
    script: 'iptables-restore < /tmp/old',
    repairs: 'rules',
    author: /^iptables-restor/,
  },
  {
    name: 'iptables-restore --noflush of an old dump',
    script: 'iptables-restore --noflush < /tmp/old',
    repairs: 'rules',
    author: /^iptables-restor/,
  },
  {
    name: 'iptables-restore --noflush of a dump of now',
    script: 'iptables-restore --noflush < /tmp/now',
    repairs: 'rules',
    author: /^iptables-restor/,
  },
  {
    name: 'iptables-restore -T nat of an old dump',
    script: 'iptables-restore -T nat < /tmp/old',
    repairs: 'rules',
    author: /^iptables-restor/,
  },
];

/** Without a chain in table nat the kernel translates nothing, and the host answers for itself. */
const untranslated = 'packets that are not translated meet the host, which refuses them';

export const nftFaults: Fault[] = [
  { name: 'ip6tables -F', script: 'ip6tables -F', repairs: 'rules', author: /^ip6tables \(/ },
  {
    name: 'nft flush ruleset',
    script: 'nft flush ruleset',
    repairs: 'rules',
    author: /^nft \(process \d+\)$/,
    breaksConnections: untranslated,
  },
  {
    name: 'nft delete table ip nat',
    script: 'nft delete table ip nat',
    repairs: 'rules',
    author: /^nft \(/,
    breaksConnections: untranslated,
  },
];

export const linkFaults: Fault[] = [
  { name: 'ip link set BR down', script: 'ip link set br-app down', repairs: 'links' },
  { name: 'ip addr flush dev BR', script: 'ip addr flush dev br-app', repairs: 'links' },
  { name: 'ip link del BR', script: 'ip link del br-app', repairs: 'links' },
  {
    name: 'a port taken off its bridge',
    script: 'ip link set $(ls /sys/class/net/br-app/brif) nomaster',
    repairs: 'links',
  },
  {
    name: 'a port set down',
    script: 'ip link set $(ls /sys/class/net/br-app/brif) down',
    repairs: 'links',
  },
];

export const forwardOff: Fault = {
  name: 'ip_forward=0',
  script: 'echo 0 > /proc/sys/net/ipv4/ip_forward',
  repairs: 'settings',
};
export const localnetOff: Fault = {
  name: 'route_localnet=0',
  script: 'echo 0 > /proc/sys/net/ipv4/conf/br-app/route_localnet',
  repairs: 'settings',
};
