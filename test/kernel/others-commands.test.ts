/**
 * An administrator types, a dump is restored and chains are flushed at random moments while the real
 * daemon repairs: the administrator's rules are what they would be without it, and ours come back.
 */
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('nft') || !isInstalled('iptables-nft')) {
  t.plan(0, 'needs nft and iptables-nft');
  process.exit(0);
}
const { mkdtempSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { setTimeout: sleep } = await import('node:timers/promises');
const { Daemon } = await import('../process/daemon.js');
const { newSeed, Random } = await import('../fuzz/random.js');

run('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
const steps = 20;
const NetworkID = '5'.repeat(64);
const ids = { NetworkID, EndpointID: '0123456789abcdef'.repeat(4) };
const pool = { AddressSpace: 'local', Pool: '10.5.0.0/24', Gateway: '10.5.0.1/24' };
const port = { Proto: 6, IP: '', Port: 80, HostIP: '127.0.0.1', HostPort: 9080, HostPortEnd: 9080 };

const calls = [
  [
    'CreateNetwork',
    { NetworkID, Options: { 'com.docker.network.generic': {} }, IPv4Data: [pool], IPv6Data: [] },
  ],
  ['CreateEndpoint', { ...ids, Interface: { Address: '10.5.0.2/24' }, Options: {} }],
  ['Join', { ...ids, SandboxKey: '/run/docker/netns/1', Options: {} }],
  ['ProgramExternalConnectivity', { ...ids, Options: { 'com.docker.network.portmap': [port] } }],
] as const;

/** `filter FORWARD` → its rules. */
function chains(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let table = '';
  for (const line of run('iptables-save', []).split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    const [, chain, rule] = /^-A (\S+) (.*)$/.exec(line) ?? [];
    const key = `${table} ${chain}`;
    if (chain !== undefined && rule !== undefined) {
      found.set(key, [...(found.get(key) ?? []), rule]);
    }
  }
  return found;
}

const theirs = (rules: readonly string[] = []) =>
  rules.filter((rule) => rule.includes('203.0.113'));
const ours = () =>
  [...chains()].flatMap(([chain, rules]) =>
    rules.filter((rule) => !rule.includes('203.0.113')).map((rule) => `${chain} ${rule}`),
  );

for (const generation of ['docker20', 'docker28'] as const) {
  t.test(
    `commands of an administrator beside repairs, with the rules of ${generation}`,
    async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'tsb-'));
      t.teardown(() => rmSync(folder, { recursive: true, force: true }));
      run('nft', ['flush', 'ruleset']);
      const daemon = await Daemon.start(folder, { args: ['--firewall-generation', generation] });
      t.teardown(async () => {
        await daemon.kill();
        for (const pid of daemon.proxyPids()) process.kill(pid, 'SIGTERM');
        run('sh', [
          '-c',
          'for link in $(ls /sys/class/net | grep -e br- -e veth); do ip link del $link; done 2>&1; true',
        ]);
      });
      for (const [method, body] of calls) {
        const { Err } = await daemon.call(method, body);
        t.notOk(Err, method);
      }
      const wanted = ours().sort();
      const old = run('iptables-save', []);
      const random = new Random(newSeed());
      t.comment(`FUZZ_SEED=${random.seed}`);
      const alone = new Map<string, string[]>();
      for (let step = 1; step <= steps; step += 1) {
        const [table, chain] = random.pick([
          ['filter', 'DOCKER-USER'],
          ['filter', 'DOCKER-USER'],
          ['filter', 'FORWARD'],
          ['filter', 'INPUT'],
          ['nat', 'PREROUTING'],
          ['nat', 'POSTROUTING'],
        ] as const);
        const key = `${table} ${chain}`;
        const rules = alone.get(key) ?? [];
        const rule = `-s 203.0.113.${step}/32 -p tcp -j ${table === 'nat' ? 'RETURN' : 'DROP'}`;
        const iptables = (...args: string[]) => run('iptables', ['-w', '-t', table, ...args]);
        switch (random.pick(['append', 'append', 'insert', 'flush', 'restore', 'ours'] as const)) {
          case 'append':
            iptables('-A', chain, ...rule.split(' '));
            alone.set(key, [...rules, rule]);
            break;
          case 'insert':
            iptables('-I', chain, ...rule.split(' '));
            alone.set(key, [rule, ...rules]);
            break;
          case 'flush':
            iptables('-F', chain);
            alone.set(key, []);
            break;
          case 'restore':
            // Of a host on which the administrator had nothing yet: it empties the chains that it names.
            run('iptables-restore', ['-w', '--noflush'], old);
            alone.set('filter DOCKER-USER', []);
            break;
          case 'ours':
            run('iptables', ['-w', '-t', 'nat', '-F', 'DOCKER']);
            run('iptables', ['-w', '-t', 'filter', '-F', 'DOCKER']);
            break;
        }
        await sleep(random.number(4) * 100);
      }
      // A daemon that has stepped back waits up to 30 s with its next repair.
      for (let patience = 600; patience > 0; patience -= 1) {
        if (JSON.stringify(ours().sort()) === JSON.stringify(wanted)) break;
        await sleep(100);
      }
      t.strictSame(ours().sort(), wanted, 'ours are there, once, and nothing else');
      const now = chains();
      for (const [key, rules] of alone) t.strictSame(theirs(now.get(key)), rules, key);
      t.strictSame(now.get('filter DOCKER-USER') ?? [], alone.get('filter DOCKER-USER') ?? []);
    },
  );
}
