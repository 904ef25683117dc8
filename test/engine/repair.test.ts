/**
 * What somebody takes away comes back by itself. The same lab for many faults.
 */
import t from 'tap';
import { SKIP_BUILT_IN, SUITE, type Test } from '../lab/fixture.js';
import { Lab, type LabOptions } from '../lab/lab.js';
import { type Fault, Striker } from '../lab/strike.js';
import type { Tsbridge } from '../lab/tsbridge.js';

/** `REPAIR_ROUNDS=5` does everything so often, for the figures in docs/reliability.md. */
const rounds = Number(process.env.REPAIR_ROUNDS ?? 1);
const own = /br-app|br-two|172\.(18|19)\.0\.|fd00:1:/;
const bridgeName = (name: string) => ['-o', `com.docker.network.bridge.name=${name}`];

async function setUp(lab: Lab, ...options: string[]): Promise<void> {
  const create = ['network', 'create', '-d', 'tsbridge', ...options];
  await lab.docker(...create, ...bridgeName('br-app'), 'app');
  await lab.docker(...create.slice(0, 4), ...bridgeName('br-two'), '--internal', 'two');
  await lab.run({
    name: 'web',
    network: 'app',
    publish: ['8080:80', '5353:53/udp'],
    serve: ['tcp/80', 'udp/53'],
  });
  await lab.run({ name: 'other', network: 'two' });
}

/** What an administrator and Swarm add: never ours to touch. */
const foreign = [
  'iptables -N MINE',
  'iptables -A MINE -s 203.0.113.9 -j DROP',
  'iptables -I FORWARD -j MINE',
  'iptables -I DOCKER-USER -s 203.0.113.8 -j DROP',
  'iptables -N DOCKER-INGRESS',
  'iptables -A DOCKER-INGRESS -j RETURN',
  'iptables -I FORWARD -j DOCKER-INGRESS',
  'iptables -t nat -A POSTROUTING -s 203.0.113.0/24 -j MASQUERADE',
].join('\n');

/** Dumps that faults restore: of the host before us, and of now. */
const dump = (name: string) => `iptables-save > /tmp/${name}`;

const ruleFaults: Fault[] = [
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
      'for chain in FORWARD DOCKER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2; do',
      '  iptables -F $chain; done',
      'for chain in DOCKER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2; do',
      '  iptables -X $chain; done',
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

const nftFaults: Fault[] = [
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

const linkFaults: Fault[] = [
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

const settingFaults: Fault[] = [
  {
    name: 'ip_forward=0',
    script: 'echo 0 > /proc/sys/net/ipv4/ip_forward',
    repairs: 'settings',
  },
];

async function strikeAll(
  t: Test,
  lab: Lab,
  daemon: Tsbridge,
  faults: readonly Fault[],
  settings: readonly string[],
): Promise<void> {
  await lab.hostNs('sh', '-ec', foreign);
  await lab.hostNs('sh', '-ec', dump('now'));
  const striker = await Striker.create({ lab, daemon, own, settings, port: 8080 });
  for (let round = 0; round < rounds; round += 1) {
    for (const fault of faults) await striker.strike(t, fault);
  }
  await striker.end(t);
}

interface Host extends LabOptions {
  tsbridgeArgs?: readonly string[];
}

/** One lab: the faults, and then nothing of ours is left. */
function repairs(name: string, host: Host, faults: readonly Fault[], settings: readonly string[]) {
  t.test(name, { skip: SKIP_BUILT_IN }, async (t) => {
    const lab = await Lab.create({ suite: SUITE, ...host });
    t.teardown(() => lab.dispose());
    const daemon = await lab.spawnTsbridge(host.tsbridgeArgs);
    const before = await lab.snapshot();
    await lab.hostNs('sh', '-ec', dump('old'));
    await setUp(lab, '--ipv6', '--subnet', 'fd00:1::/64');
    await strikeAll(t as Test, lab, daemon, faults, settings);
    await lab.docker('rm', '-f', 'web', 'other');
    await lab.docker('network', 'rm', 'app', 'two');
    const left = await lab.leftovers(before);
    // The engine's own rules for docker0 are gone, and the administrator's are there.
    t.strictSame(
      left.filter((line) => own.test(line) || !line.includes(' rules')),
      [],
    );
  });
}

repairs(
  'iptables-nft',
  { dockerdArgs: ['--experimental', '--ip6tables'] },
  [...ruleFaults, ...nftFaults, ...linkFaults, ...settingFaults],
  ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding', 'net/ipv6/conf/br-app/disable_ipv6'],
);
