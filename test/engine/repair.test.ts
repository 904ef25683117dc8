/**
 * What somebody takes away comes back by itself. The same lab for many faults.
 */
import t from 'tap';
import type { Status } from '../../src/operator/status.js';
import { SKIP_BUILT_IN, SUITE, type Test } from '../lab/fixture.js';
import { HeldConnection } from '../lab/held.js';
import { type HostState, hostState } from '../lab/host-state.js';
import { ADDRESSES, Lab, type LabOptions } from '../lab/lab.js';
import { type CommandError, LabProcess, NODE, until } from '../lab/process.js';
import {
  administrator,
  dump,
  foreign,
  forwardOff,
  linkFaults,
  localnetOff,
  nftFaults,
  ruleFaults,
} from '../lab/repair-faults.js';
import { type Fault, Striker } from '../lab/strike.js';
import type { LogEntry, Tsbridge } from '../lab/tsbridge.js';
import { itemOf } from '../process/documents.js';

/** `REPAIR_ROUNDS=5` does everything five times, for the figures in docs/measurements. */
const rounds = Number(process.env.REPAIR_ROUNDS ?? 1);
const own = /br-app|br-two|172\.(18|19)\.0\.|fd00:1:/;
const bridgeName = (name: string) => ['-o', `com.docker.network.bridge.name=${name}`];

async function setUp(lab: Lab, ...options: readonly string[]): Promise<void> {
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

/** 20.10 and 26.1 write rules for IPv6 only then. */
const ipv6Rules = SUITE === 'forky' ? [] : ['--experimental', '--ip6tables'];

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
    // The engine's own rules for docker0 are gone, and the administrator's are there.
    const left = async () =>
      (await lab.leftovers(before, 0)).filter((line) => own.test(line) || !line.includes(' rules'));
    await until('nothing to be left', async () => (await left()).length === 0 || undefined).catch(
      () => {},
    );
    t.strictSame(await left(), []);
  });
}

repairs(
  'iptables-nft',
  { dockerdArgs: ipv6Rules },
  [...ruleFaults, ...nftFaults, ...linkFaults, forwardOff],
  ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding', 'net/ipv6/conf/br-app/disable_ipv6'],
);

repairs(
  'iptables-legacy, without the userland proxy',
  {
    iptables: 'legacy',
    dockerdArgs: ['--userland-proxy=false'],
    tsbridgeArgs: ['--userland-proxy=false'],
  },
  // The kernel does not say who it was.
  [...ruleFaults.map(({ author: _, ...fault }) => fault), forwardOff, localnetOff],
  ['net/ipv4/ip_forward', 'net/ipv4/conf/br-app/route_localnet'],
);

t.test('dockerd restarts while rules are repaired', { skip: SKIP_BUILT_IN }, async (t) => {
  const lab = await Lab.create({ suite: SUITE, liveRestore: true });
  t.teardown(() => lab.dispose());
  const daemon = await lab.spawnTsbridge();
  await setUp(lab);
  await lab.hostNs('sh', '-ec', foreign);
  const { ours: wanted } = await hostState(lab, own, []);
  const logged = daemon.logs.length;
  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
    await t.test(`live-restore, ${signal}`, async (t) => {
      const held = await HeldConnection.open(lab, 'lan', ADDRESSES.host, 8080);
      await lab.killDockerd(signal);
      await lab.startDockerd();
      t.pass('dockerd starts: nothing got in its way');
      const started = performance.now();
      const state = await backAgain(lab, wanted);
      t.comment(
        `dockerd restarts: back ${Math.round(performance.now() - started)} ms after it answered`,
      );
      t.strictSame(state.ours, wanted);
      t.ok(
        Object.values(state.others)
          .flat()
          .some((rule) => administrator.test(rule)),
      );
      await t.resolves(held.finish(), 'the connection survives');
    });
  }
  await t.test('containers stop and start while rules are repaired', async (t) => {
    await lab.restartDockerd({ liveRestore: false });
    await lab.docker('start', 'web', 'other');
    await lab.listening('web');
    const state = await backAgain(lab, wanted);
    t.strictSame(state.ours, wanted);
    t.ok(
      Object.values(state.others)
        .flat()
        .some((rule) => administrator.test(rule)),
    );
    t.match(await lab.ask('lan', ADDRESSES.host, 8080), { name: 'web' });
  });
  for (const { author } of daemon.logs.slice(logged).filter(isRepair)) {
    t.match(author, /^iptables \(/, 'it was the engine');
  }
  if (!t.passing()) lab.printLogs();
});

t.test(
  'a program that keeps undoing repairs is met ever less often',
  { skip: SKIP_BUILT_IN },
  async (t) => {
    const lab = await Lab.create({ suite: SUITE });
    t.teardown(() => lab.dispose());
    const daemon = await lab.spawnTsbridge();
    await setUp(lab);
    const { ours: wanted } = await hostState(lab, own, []);
    const loop = 'while :; do iptables -F FORWARD; sleep 0.3; done';
    const fight = new LabProcess(
      lab.namespaces.enter('host', ['sh', '-c', loop]),
      `${lab.namespaces.directory}/fight.log`,
    );
    const said = () => daemon.logs.filter(({ level }) => level === 'error');
    await until('tsbridge to step back', () => said().length > 0 || undefined, 60_000);
    t.match(said(), [
      { msg: /^repairs of rules keep being undone: stepping back/, author: /^iptables \(/ },
    ]);
    t.ok(daemon.logs.filter(isRepair).length >= 9, 'at first it did not');
    // Long enough for an operator to have a look before the next repair.
    await until(
      'a longer pause',
      () => daemon.logs.filter(isRepair).length >= 12 || undefined,
      60_000,
    );
    await until('it to be undone', async () => {
      const { ours } = await hostState(lab, own, []);
      return JSON.stringify(ours) !== JSON.stringify(wanted) || undefined;
    });
    await fight.kill('SIGKILL');
    const status = await tsbridge(lab, 'status');
    t.equal(status.code, 3);
    t.match(status.out, /to be repaired +\d+ changes\n +insert filter FORWARD -j DOCKER-USER\n/);
    t.match(status.out, /degraded +repairs of rules keep being undone/);
    const planned = await tsbridge(lab, 'reconcile', '--dry-run');
    t.equal(planned.code, 3);
    t.match(planned.out, /^insert filter FORWARD -j DOCKER-USER$/m);
    t.strictSame(await tsbridge(lab, 'reconcile'), { code: 0, out: planned.out, err: '' });
    t.strictSame((await hostState(lab, own, [])).ours, wanted, 'all is back at once');
    t.strictSame(await tsbridge(lab, 'reconcile', '--dry-run'), {
      code: 0,
      out: 'Everything is as it should be.\n',
      err: '',
    });
    t.equal(said().length, 1, 'it is said once');
    if (!t.passing()) lab.printLogs();
  },
);

t.test('tsbridge status counts the repairs by cause', { skip: SKIP_BUILT_IN }, async (t) => {
  const lab = await Lab.create({ suite: SUITE });
  t.teardown(() => lab.dispose());
  t.match(await tsbridge(lab, 'status'), { code: 1, out: '', err: /the daemon does not run/ });
  const daemon = await lab.spawnTsbridge();
  await setUp(lab);
  const { code, out, err } = await tsbridge(lab, 'status', '--json');
  const status = itemOf<Status>(out);
  t.match(status, {
    state: 'serving',
    generation: SUITE === 'forky' ? 'docker28' : 'docker20',
    iptables: 'nft',
    ip6tables: SUITE === 'forky' ? 'nft' : 'off',
    networks: 2,
    endpoints: 2,
    publishedPorts: 4,
    proxy: { listeners: 4, connections: 0 },
    drift: { count: 0 },
    degraded: [],
  });
  t.equal(code, 0, err);
  t.equal(await lab.hostNs('stat', '-c', '%a %U', '/run/tsbridge/admin.sock'), '600 root\n');
  await daemon.kill();
  t.match(await tsbridge(lab, 'reconcile'), { code: 1, err: /the daemon does not run/ });
});

/** The command line, on the host of the lab. */
async function tsbridge(lab: Lab, ...args: string[]) {
  const command = [...NODE, '/opt/tsbridge/dist/main.js', ...args];
  return lab.exec(command).then(
    (out) => ({ code: 0 as string | number | null, out, err: '' }),
    (error: CommandError) => ({ code: error.status, out: error.stdout, err: error.stderr }),
  );
}

const isRepair = ({ msg }: LogEntry) => msg?.startsWith('repaired ') ?? false;

/** The state once our rules are what is wanted, or after a while whatever it is. */
async function backAgain(lab: Lab, wanted: HostState['ours']) {
  let state = await hostState(lab, own, []);
  await until('the rules to be back', async () => {
    state = await hostState(lab, own, []);
    return JSON.stringify(state.ours) === JSON.stringify(wanted) || undefined;
  }).catch(() => {});
  return state;
}
