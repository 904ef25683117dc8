/** Limits of traffic, as the kernel's own tools list them. */
import { inFreshNamespace, ipJson, run } from '../process/netns.js';

inFreshNamespace();
const { readFileSync, writeFileSync } = await import('node:fs');
const { createSocket } = await import('node:dgram');
const { setTimeout } = await import('node:timers/promises');
const { default: t } = await import('tap');
const { limitsOf } = await import('../../src/core/network/limits.js');
const { planShaping, shapedLink, unshaped } = await import('../../src/core/network/shaping.js');
const { ShapingNetlink } = await import('../../src/host/netlink/shaping.js');
const { Monitor } = await import('../../src/host/monitor.js');
const { RecordingLog } = await import('../fakes/recording-log.js');
const { parseInterfaceName } = await import('../../src/core/names.js');
type TrafficLimits = import('../../src/core/network/limits.js').TrafficLimits;

const kernel = new ShapingNetlink();
const host = parseInterfaceName('veth1234567');
if (host === undefined) throw new Error('not a name');
const link = shapedLink(host);
const { spawnSync } = await import('node:child_process');
run('ip', ['link', 'add', 'probe', 'type', 'veth', 'peer', 'name', 'probed']);
/** Whether this kernel has fq_codel. */
const fair = spawnSync('tc', ['qdisc', 'add', 'dev', 'probe', 'root', 'fq_codel']).status === 0;
run('ip', ['link', 'delete', 'probe']);
/** The line of `tc -d qdisc` for a fair queue in a bucket, if the kernel has any. */
const queueLine = (memory: string, target = '5ms', interval = '100ms') =>
  fair
    ? [
        `qdisc fq_codel 7454: parent 7453:1 limit 10240p flows 1024 quantum 1514 target ${target} ` +
          `interval ${interval} memory_limit ${memory} ecn drop_batch 64`,
      ]
    : [];
/** tc shows a bucket that holds nothing back by its limit if its own rounding makes the latency less than 0. */
const qdiscs = (name: string) =>
  run('tc', ['qdisc', 'show', 'dev', name])
    .trim()
    .split('\n')
    .map((line) =>
      line
        .replace(/ refcnt \d+/, '')
        .trim()
        .replace(/ burst (\S+) limit \1$/, ' burst $1 lat 0us'),
    );
const filters = () => run('tc', ['filter', 'show', 'dev', host, 'ingress']).trim();
const ifbs = () => ipJson('link', 'show', 'type', 'ifb').filter((each) => 'ifname' in each);
const ensure = async (limits: TrafficLimits): Promise<string[]> => {
  const observed = (await kernel.observe([link])).get(host);
  if (observed === undefined) throw new Error(`no ${host}`);
  const steps = planShaping(link, limits, observed, kernel.waitingIn);
  await kernel.apply(steps);
  return steps.map(({ kind }) => kind);
};
/** The steps without those for fair queues, if the kernel has none and so is not asked for them any more. */
const had = (...steps: string[]) => (fair ? steps : steps.filter((step) => !/-queue$/.test(step)));
const redirect =
  /pref 29779 u32 .*match 00000000\/00000000 at 0.*mirred \(Egress Redirect to device tsi1234567\) stolen/s;
const others = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0', 'flowid', '1:1'];
const both = limitsOf([{ down: { rate: 10_000_000 }, up: { rate: 1_000_000_000 } }]);

t.beforeEach(() => {
  run('ip', ['link', 'add', host, 'up', 'type', 'veth', 'peer', 'name', 'inside']);
});
t.afterEach(() => {
  if (ipJson('link').some(({ ifname }) => ifname === host)) run('ip', ['link', 'delete', host]);
  for (const { ifname } of ifbs()) run('ip', ['link', 'delete', String(ifname)]);
});

t.test('what a container receives and sends goes through a bucket each', async (t) => {
  t.equal(kernel.waitingIn, 'unknown');
  t.strictSame(
    await ensure(both),
    ['set-down', 'set-down-queue', 'create-ifb', 'set-up', 'set-up-queue', 'ifb-up'].concat(
      ...['add-hook', 'add-redirect'],
    ),
  );
  t.equal(kernel.waitingIn, fair ? 'fq_codel' : 'fifo', 'is learnt by trying');
  t.strictSame(qdiscs(host), [
    'qdisc tbf 7453: root rate 10Mbit burst 12500b lat 16.2ms',
    ...queueLine('4Mb'),
    'qdisc clsact ffff: parent ffff:fff1',
  ]);
  t.strictSame(qdiscs(link.ifb), [
    'qdisc tbf 7453: root rate 1Gbit burst 1250000b lat 10ms',
    ...queueLine('25000000b'),
  ]);
  t.match(filters(), redirect);
  t.match(ifbs(), [{ ifname: 'tsi1234567', flags: ['BROADCAST', 'NOARP', 'UP', 'LOWER_UP'] }]);
  t.strictSame(await ensure(both), [], 'and is found to be right');
});

t.test('rates of every size are read as they were written', async (t) => {
  for (const rate of [64_000, 1_500_001, 10_000_000_000, 34_359_738_368, 400_000_000_000]) {
    for (const burst of [40_000, 64 * 1024 * 1024]) {
      const limits = limitsOf([{ down: { rate, burst }, up: { rate, burst } }]);
      t.not((await ensure(limits)).length, 0);
      t.strictSame(await ensure(limits), [], `${rate} ${burst}`);
    }
  }
});

t.test('a limit changes in place, and goes without what others have put there', async (t) => {
  await ensure(both);
  run('tc', ['filter', 'add', 'dev', host, 'ingress', 'pref', '5', ...others]);
  run('tc', ['filter', 'add', 'dev', host, 'egress', 'pref', '5', ...others]);
  const slower = limitsOf([{ down: { rate: 1_000_000 }, up: { rate: 1_000_000_000 } }]);
  t.strictSame(await ensure(slower), had('set-down', 'set-down-queue'));
  const [bucket, ...rest] = qdiscs(host);
  t.match(bucket, /^qdisc tbf 7453: root rate 1Mbit/);
  t.strictSame(
    rest.slice(0, -1),
    queueLine('4Mb', '12.1ms', '107ms'),
    'with time for a full frame',
  );
  t.strictSame(await ensure({}), ['remove-redirect', 'remove-down', 'remove-ifb']);
  t.strictSame(qdiscs(host), ['qdisc noqueue 0: root', 'qdisc clsact ffff: parent ffff:fff1']);
  t.match(filters(), /pref 5 /);
  t.notMatch(filters(), /mirred/);
  t.strictSame(ifbs(), []);
  t.strictSame(await ensure({}), []);
});

t.test('no packet is lost while a limit changes, and the queue stays', async (t) => {
  writeFileSync(`/proc/sys/net/ipv6/conf/${host}/disable_ipv6`, '1');
  run('ip', ['link', 'set', 'inside', 'up']);
  run('ip', ['address', 'add', '192.0.2.1/24', 'dev', host]);
  run('ip', ['neigh', 'add', '192.0.2.2', 'lladdr', '02:00:00:00:00:02', 'dev', host]);
  const received = () =>
    Number(readFileSync('/sys/class/net/inside/statistics/rx_packets', 'utf8'));
  const before = received();
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  for (let round = 0; round < 20; round += 1) {
    await ensure(limitsOf([{ down: { rate: round % 2 === 0 ? 10_000_000 : 1_000_000 } }]));
    for (let sent = 0; sent < 10; sent += 1) {
      await new Promise((done) => socket.send('x', 9, '192.0.2.2', done));
    }
  }
  for (let wait = 0; wait < 3_000 && received() < before + 200; wait += 1) await setTimeout(20);
  t.equal(received(), before + 200);
  const counted = JSON.parse(run('tc', ['-s', '-j', 'qdisc', 'show', 'dev', host]));
  t.strictSame(
    counted.map(({ kind, packets, drops }: Record<string, unknown>) => [kind, packets, drops]),
    [['tbf', 200, 0], ...(fair ? [['fq_codel', 200, 0]] : [])],
  );
});

t.test('whatever somebody deletes is found, and comes back', async (t) => {
  await ensure(both);
  const whole = [qdiscs(host), qdiscs(link.ifb)];
  const inBucket = ['parent', '7453:1'];
  const replacement = [...inBucket, 'handle', '9:', 'pfifo'];
  for (const [deletion, steps] of [
    [
      ['tc', 'qdisc', 'del', 'dev', host, 'root'],
      ['set-down', 'set-down-queue'],
    ],
    [
      ['tc', 'qdisc', 'del', 'dev', link.ifb, 'root'],
      ['set-up', 'set-up-queue'],
    ],
    [
      ['tc', 'qdisc', 'replace', 'dev', host, 'root', 'handle', '9:', 'pfifo'],
      ['set-down', 'set-down-queue'],
    ],
    // The fifo of a kernel without fair queues cannot be deleted, and what is in its place is not looked for.
    ...(fair
      ? ([
          [['tc', 'qdisc', 'del', 'dev', host, ...inBucket], ['set-down-queue']],
          [['tc', 'qdisc', 'del', 'dev', link.ifb, ...inBucket], ['set-up-queue']],
          [['tc', 'qdisc', 'replace', 'dev', host, ...replacement], ['set-down-queue']],
          [
            ['tc', 'qdisc', 'change', 'dev', host, ...inBucket, 'fq_codel', 'target', '50ms'],
            ['set-down-queue'],
          ],
        ] as const)
      : []),
    [
      ['tc', 'qdisc', 'del', 'dev', host, 'clsact'],
      ['add-hook', 'add-redirect'],
    ],
    [['tc', 'filter', 'del', 'dev', host, 'ingress'], ['add-redirect']],
    [['ip', 'link', 'set', link.ifb, 'down'], ['ifb-up']],
    [
      ['ip', 'link', 'delete', link.ifb],
      ['remove-redirect', 'create-ifb', 'set-up', 'set-up-queue', 'ifb-up', 'add-redirect'],
    ],
  ] as const) {
    const [program, ...args] = deletion;
    run(program, args);
    t.strictSame(await ensure(both), had(...steps), deletion.join(' '));
    t.strictSame([qdiscs(host), qdiscs(link.ifb)], whole);
    t.match(filters(), redirect);
    t.strictSame(await ensure(both), []);
  }
});

t.test('what another program has put in its place is an error that says so', async (t) => {
  run('tc', ['qdisc', 'add', 'dev', host, 'ingress']);
  const failed = { code: 'link-failed', message: /add clsact to veth1234567: .*tc qdisc show/ };
  await t.rejects(ensure(both), failed);
  t.notMatch(filters(), /mirred/);
  run('tc', ['qdisc', 'del', 'dev', host, 'ingress']);
  t.strictSame(await ensure(both), ['add-hook', 'add-redirect'], 'and when it is gone');
});

t.test('a link that is gone needs nothing', async (t) => {
  await ensure(both);
  const observed = (await kernel.observe([link])).get(host);
  const steps = planShaping(link, {}, observed ?? unshaped, kernel.waitingIn);
  run('ip', ['link', 'delete', host]);
  await kernel.apply(steps);
  t.strictSame(ifbs(), []);
  const slow = limitsOf([{ down: { rate: 64_000 } }]);
  await kernel.apply(planShaping(link, slow, unshaped, kernel.waitingIn));
  t.strictSame([...(await kernel.observe([link])).keys()], []);
  t.strictSame((await kernel.observe([])).size, 0);
});

t.test('the kernel tells of each change', async (t) => {
  const heard = new Set<string>();
  const monitor = new Monitor(
    undefined,
    (change) => heard.add('name' in change ? String(change.name) : 'any'),
    new RecordingLog(),
  );
  monitor.start();
  t.teardown(() => monitor.stop());
  const tells = async (...command: readonly [string, ...string[]]): Promise<void> => {
    heard.clear();
    const [program, ...args] = command;
    run(program, args);
    for (let wait = 0; wait < 6_000 && heard.size === 0; wait += 1) await setTimeout(10);
    t.ok(heard.has(host) || heard.has(link.ifb), command.join(' '));
  };
  await ensure(both);
  await setTimeout(50);
  await tells('tc', 'filter', 'del', 'dev', host, 'ingress');
  await tells('tc', 'qdisc', 'del', 'dev', host, 'root');
  await tells('tc', 'qdisc', 'del', 'dev', link.ifb, 'root');
  await tells('ip', 'link', 'delete', link.ifb);
});
