/** What the listeners hear of the real kernel: of rules through the filter, of links, and after an overrun. */
import type { Test } from 'tap';
import { inFreshNamespace, isInstalled, run } from '../process/netns.js';

inFreshNamespace();
const { default: t } = await import('tap');
if (!isInstalled('nft') || !isInstalled('iptables-nft-restore')) {
  t.plan(0, 'needs nft and iptables-nft');
  process.exit(0);
}
const { spawnSync } = await import('node:child_process');
const { mostReports, nftEventFilter } = await import(
  '../../src/codec/nf-tables/nft-event-filter.js'
);
const { nftablesGroup, TransactionReader } = await import(
  '../../src/codec/nf-tables/nft-events.js'
);
const { ruleBatch } = await import('../../src/codec/nf-tables/rule-batch.js');
const { makeRule } = await import('../../src/core/rules/rule.js');
const { Monitor } = await import('../../src/host/monitor.js');
const { EventListener } = await import('../../src/host/netlink/socket/event-listener.js');
const { OwnChanges } = await import('../../src/host/iptables/own-changes.js');
const { NftSocket } = await import('../../src/host/nf-tables/nft-socket.js');
const { Yielding } = await import('../../src/yielding.js');
const { RecordingLog } = await import('../fakes/recording-log.js');
const { setTimeout: sleep } = await import('node:timers/promises');

type Transaction = ReturnType<InstanceType<typeof TransactionReader>['read']>[number];

/** Hears of rules, as the daemon does. */
function listen(t: Test, reports: number = mostReports, ownPorts: readonly number[] = []) {
  const transactions = new TransactionReader();
  const heard = { datagrams: 0, ended: [] as Transaction[], gaps: 0, lost: 0 };
  const reader = {
    read(datagram: Buffer) {
      heard.datagrams += 1;
      heard.ended.push(...transactions.read(datagram));
    },
    gap() {
      heard.gaps += 1;
      transactions.forget();
    },
    lostTrack() {
      heard.lost += 1;
    },
  };
  const filters = reports === 0 ? [] : [nftEventFilter(reports, ownPorts)];
  const source = { protocol: 12, groups: [nftablesGroup], filters };
  const listener = new EventListener('changes of rules', source, reader, new RecordingLog());
  listener.start();
  t.teardown(() => listener.stop());
  return heard;
}

/** Within 20 s. */
async function comesTrue(what: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    if (what()) return true;
    await sleep(20);
  }
  return false;
}

/** `iptables-nft-restore`; answers with its process number. */
function restore(tool: string, ...lines: readonly string[]): number {
  const input = `${lines.join('\n')}\n`;
  const { pid, status, stderr } = spawnSync(`${tool}-nft-restore`, ['--noflush'], { input });
  if (status !== 0) throw new Error(String(stderr));
  return pid;
}

t.test('a table of others costs one short report, however many rules change', async (t) => {
  const heard = listen(t);
  const rules = Array.from(
    { length: 5_000 },
    (_, at) => `add rule ip mine c tcp dport ${at} accept`,
  );
  const script = ['add table ip mine', 'add chain ip mine c', ...rules].join('\n');
  t.equal(spawnSync('nft', ['-f', '-'], { input: script }).status, 0);
  run('nft', ['delete', 'table', 'ip', 'mine']);
  await comesTrue(() => heard.ended.length === 2);
  t.match(heard.ended, [
    { families: [], added: [], program: 'nft' },
    { families: [], added: [] },
  ]);
  t.equal(heard.datagrams, 2);
  t.equal(heard.gaps, 0);
});

t.test('without a filter, all of it', async (t) => {
  const heard = listen(t, 0);
  run('nft', ['add', 'table', 'ip', 'mine']);
  run('nft', ['delete', 'table', 'ip', 'mine']);
  await comesTrue(() => heard.ended.length === 2);
  t.ok(heard.datagrams >= 4);
});

t.test('rules in our tables come with their handles, from the port of the writer', async (t) => {
  for (const [tool, family, ip] of [
    ['iptables', 4, 'ip'],
    ['ip6tables', 6, 'ip6'],
  ] as const) {
    const heard = listen(t);
    const own = new OwnChanges(false);
    const rules = Array.from({ length: 500 }, (_, at) => {
      return `-A DOCKER -p tcp -m tcp --dport ${at + 1} -j ACCEPT`;
    });
    const pid = restore(tool, '*filter', ':DOCKER - [0:0]', ...rules, 'COMMIT');
    own.started(pid, `${tool}-nft-restore`);
    await comesTrue(() => heard.ended.some(({ added }) => added.length > 0));
    const last = heard.ended.at(-1);
    if (last === undefined) throw new Error('it is heard');
    t.equal(own.match(last), pid, 'known by its port alone');
    t.equal(last.pid, pid);
    const listing = run('nft', ['-a', 'list', 'chain', ip, 'filter', 'DOCKER']);
    const handles = [...listing.matchAll(/dport \d+ .*# handle (\d+)/g)].map(([, one]) =>
      Number(one),
    );
    t.equal(handles.length, 500);
    const added = handles.map((handle) => ({ family, table: 'filter', chain: 'DOCKER', handle }));
    t.same(last.added, added);
    t.match(last.families, [family]);
  }
});

t.test('of rules that we write ourselves only the end is heard', async (t) => {
  restore('iptables', '*nat', ':DOCKER - [0:0]', '-A DOCKER -i br-0 -j RETURN', 'COMMIT');
  const socket = new NftSocket();
  t.teardown(() => socket.close());
  const rule = makeRule(4, 'nat', 'DOCKER', {}, 'RETURN');
  // Without expressions a rule matches everything and decides nothing.
  const added = { op: 'add', rule, expressions: Buffer.alloc(0), place: 'end' } as const;
  const operations = Array.from({ length: 30 }, () => ({ ...added, echo: false }));
  const write = async (): Promise<void> => {
    const batch = await new Yielding().run(ruleBatch(socket.generation(), operations));
    t.match(await socket.transaction(batch, false), { made: true });
  };
  const [all, ends] = [listen(t), listen(t, mostReports, [socket.portId])];
  await write();
  await comesTrue(() => all.ended.length === 1 && ends.ended.length === 1);
  t.match(all.ended, [{ portId: socket.portId, families: [4] }]);
  t.equal(all.ended[0]?.added.length, 30);
  t.match(ends.ended, [{ portId: socket.portId, families: [], added: [] }]);
  t.equal(ends.datagrams, 1);
  run('iptables-nft', ['-t', 'nat', '-F', 'DOCKER']);
  await comesTrue(() => ends.ended.length === 2);
  t.same(ends.ended[1]?.families, [4], 'and all of what others do');
});

t.test('a transaction in tables of others and of ours is heard of', async (t) => {
  restore('iptables', '*nat', ':DOCKER - [0:0]', '-A DOCKER -i br-0 -j RETURN', 'COMMIT');
  const heard = listen(t);
  const foreign = (table: string) =>
    Array.from({ length: 100 }, (_, at) => `add rule ip ${table} c tcp dport ${at} accept`);
  const script = [
    ...['add table ip a', 'add chain ip a c', ...foreign('a')],
    'flush chain ip nat DOCKER',
    ...['add table ip b', 'add chain ip b c', ...foreign('b')],
  ].join('\n');
  t.equal(spawnSync('nft', ['-f', '-'], { input: script }).status, 0);
  run('nft', ['flush', 'ruleset']);
  await comesTrue(() => heard.ended.length >= 2);
  t.same(heard.ended[0]?.families, [4]);
  t.same([...(heard.ended[1]?.families ?? [])].sort(), [4, 6]);
  t.equal(heard.ended[1]?.tableDeleted, true);
});

t.test('more than the buffer takes is noticed, and what comes after is heard', async (t) => {
  const heard = listen(t);
  const match = '-d 192.0.2.1/32 ! -i br-0123456789ab -o br-0123456789ab -p tcp -m tcp';
  const rules = Array.from(
    { length: 60_000 },
    (_, at) => `-A MANY ${match} --dport ${at} -j ACCEPT`,
  );
  // Nothing is read meanwhile: this waits.
  restore('iptables', '*filter', ':MANY - [0:0]', ...rules, 'COMMIT');
  t.ok(await comesTrue(() => heard.lost === 1));
  t.ok(heard.gaps >= 1);
  heard.ended.length = 0;
  run('iptables-nft', ['-N', 'DOCKER']);
  t.ok(await comesTrue(() => heard.ended.length === 1));
  t.match(heard.ended, [{ families: [4], program: 'iptables' }]);
});

t.test('links and their addresses', async (t) => {
  const names = new Set<string | undefined>();
  const monitor = new Monitor(
    undefined,
    (change) => names.add('name' in change ? change.name : undefined),
    new RecordingLog(),
  );
  monitor.start();
  t.teardown(() => monitor.stop());
  t.same(monitor.problems(), []);
  const heard = async (command: string, ...expected: readonly string[]) => {
    names.clear();
    run('ip', command.split(' '));
    t.ok(await comesTrue(() => expected.every((name) => names.has(name))), command);
    t.notOk(names.has(undefined), 'never any link');
  };
  await heard('link add br-0 type bridge', 'br-0');
  await heard('address add 10.9.0.1/24 dev br-0', 'br-0');
  await heard('address add fd00::1/64 dev br-0', 'br-0');
  await heard('link add veth0 type veth peer name veth1', 'veth0', 'veth1');
  await heard('link set veth0 master br-0', 'veth0');
  await heard('address del 10.9.0.1/24 dev br-0', 'br-0');
  await heard('link set br-0 mtu 1400', 'br-0');
  await heard('link set veth1 name veth2', 'veth2');
  await heard('link del veth0', 'veth0', 'veth2');
  await heard('link del br-0', 'br-0');
});
