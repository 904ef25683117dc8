import t from 'tap';
import { ADDRESSES, Lab } from '../lab/lab.js';
import { until } from '../lab/process.js';

const lab = await Lab.create({ suite: 'bookworm' });
t.teardown(() => lab.dispose());
const daemon = await lab.spawnTsbridge();
await lab.docker(
  'network',
  'create',
  '-d',
  'tsbridge',
  '-o',
  'com.docker.network.bridge.name=br-app',
  '--ipv6',
  '--subnet',
  'fd00:1::/64',
  'app',
);
await lab.docker(
  'network',
  'create',
  '-d',
  'tsbridge',
  '-o',
  'com.docker.network.bridge.name=br-two',
  '--internal',
  'two',
);
await lab.run({
  name: 'web',
  network: 'app',
  publish: ['8080:80', '5353:53/udp'],
  serve: ['tcp/80', 'udp/53'],
});
await lab.hostNs('iptables', '-N', 'MINE');
await lab.hostNs('iptables', '-I', 'FORWARD', '-j', 'MINE');
await lab.hostNs('iptables', '-A', 'MINE', '-s', '203.0.113.9', '-j', 'DROP');
await lab.hostNs('iptables', '-I', 'DOCKER-USER', '-s', '203.0.113.8', '-j', 'DROP');
await new Promise((r) => setTimeout(r, 1000));
const wanted = await lab.saveRules(4);
console.error(wanted.join('\n'));
const dump = await lab.hostNs('iptables-save');
const faults: [string, () => Promise<unknown>][] = [
  [
    '-F',
    async () => {
      await lab.hostNs('iptables', '-F');
    },
  ],
  [
    'nat -F',
    async () => {
      await lab.hostNs('iptables', '-t', 'nat', '-F');
    },
  ],
  [
    'flush ruleset',
    async () => {
      await lab.hostNs('nft', 'flush', 'ruleset');
    },
  ],
  [
    'restore noflush',
    async () => {
      await lab.exec(['iptables-restore', '--noflush'], 'host', { input: dump });
    },
  ],
  [
    'restart dockerd',
    async () => {
      await lab.restartDockerd();
      await lab.docker('start', 'web');
    },
  ],
];
for (const [name, fault] of faults) {
  const logs = daemon.logs.length;
  const start = performance.now();
  await fault();
  const after = performance.now();
  let now: string[] = [];
  const ok = await until(
    name,
    async () => {
      now = await lab.saveRules(4);
      return wanted.filter((l) => l.includes('br-')).every((l) => now.includes(l)) || undefined;
    },
    5000,
  ).catch(() => false);
  console.error('==', name, ok, Math.round(after - start), Math.round(performance.now() - after));
  await new Promise((r) => setTimeout(r, 1000));
  now = await lab.saveRules(4);
  console.error(
    now
      .filter((l) => !wanted.includes(l))
      .map((l) => `+ ${l}`)
      .join('\n'),
  );
  console.error(
    wanted
      .filter((l) => !now.includes(l))
      .map((l) => `- ${l}`)
      .join('\n'),
  );
  for (const l of daemon.logs.slice(logs)) if (l.msg !== 'call') console.error(JSON.stringify(l));
}
