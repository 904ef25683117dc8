/** `tsbridge trace` on a small router: what it tells of real packets, and that nothing stays of it. */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PacketItem, SummaryItem } from '../../src/cli/schemas/trace.js';
import { newSeed, Random } from '../fuzz/random.js';
import { inFreshNamespace, run } from '../process/netns.js';
import { slowness } from '../process/slowness.js';

inFreshNamespace();
const { default: t } = await import('tap');
const { until } = await import('../lab/process.js');
const { documentOf } = await import('../process/documents.js');

const { begin, connect, makeRouter, node, playDaemon, start, startTimed, tables } = await import(
  '../process/tracing.js'
);

t.setTimeout(600_000 * slowness);
const { TraceTable } = await import('../../src/host/trace/trace-table.js');
const { leftTraces } = await import('../../src/host/trace/trace-tables.js');
const everyFirst = {
  ...{ replies: false, everyPacket: false, packetsPerSecond: 1_000 },
  tracedHooks: 'every-hook',
} as const;
const unread = { read: () => undefined, gap: () => undefined };
const [outside, inside] = await makeRouter();
await playDaemon();

t.test('packets, by whose rule each goes on or ends, and what answers them', async (t) => {
  const trace = await begin('any', 'any', '--reply', '--count=4');
  connect(outside, '192.0.2.1', 8080);
  connect(outside, '192.0.2.1', 8083);
  connect(outside, '172.20.0.2', 81);
  connect(inside, '192.0.2.9', 99);
  const { code, out } = await trace.end();
  t.equal(code, 3);
  t.equal(golden(out), expected);
});

t.test('only what is dropped, for programs', async (t) => {
  const trace = await begin('lan', 'web:80', '--dropped-only', '--json', '--count=1');
  connect(outside, '192.0.2.1', 8080);
  run('iptables', ['-I', 'DOCKER-USER', '-i', 'eth0', '-j', 'DROP']);
  connect(outside, '192.0.2.1', 8080);
  const { code, out } = await trace.end();
  run('iptables', ['-D', 'DOCKER-USER', '1']);
  t.equal(code, 3, out);
  const lines = linesOf(out);
  t.strictSame(
    lines.map(({ kind }) => kind),
    ['packet', 'end'],
  );
  t.match(lines[0]?.packet, {
    ...{ number: 2, end: 'dropped', in: 'eth0', became: { destination: { container: 'web' } } },
    words: [/rule 1 of chain DOCKER-USER/, '  -A DOCKER-USER -i eth0 -j DROP', /administrator/],
  });
  t.match(lines[1]?.summary, { packets: 2, dropped: 1, matched: 2, reason: 'count' });
});

t.test('rules of nft itself, and rules that are made and deleted meanwhile', async (t) => {
  const trace = await begin('any', ':8081', '--json', '--count=3');
  const table =
    'table inet my { chain i { type filter hook input priority 5; tcp dport 8081 drop; }; }';
  run('nft', ['-f', '-'], table);
  connect(outside, '192.0.2.1', 8081);
  run('nft', ['delete', 'table', 'inet', 'my']);
  connect(outside, '192.0.2.1', 8081);
  run('iptables', ['-I', 'INPUT', '-p', 'tcp', '--dport', '8081', '-j', 'REJECT']);
  connect(outside, '192.0.2.1', 8081);
  const { out } = await trace.end();
  run('iptables', ['-D', 'INPUT', '1']);
  const packets = linesOf(out).flatMap(({ packet }) => packet ?? []);
  t.strictSame(
    packets.map(({ end }) => end),
    ['dropped', 'host', 'rejected'],
  );
  const steps = packets.flatMap((packet) =>
    packet.steps.map(({ hook, table, chain }) => [hook, table, chain]),
  );
  t.strictSame(
    steps.filter(([, table]) => table === 'my'),
    [['INPUT', 'my', 'i']],
    'by the hook of its chain: the trace has none in front at INPUT',
  );
});

t.test('a packet that is lost although no rule drops it', async (t) => {
  const trace = await begin('any', '172.20.0.3', '--count=2', '--json');
  connect(outside, '172.20.0.3', 80);
  run('iptables-legacy', ['-t', 'mangle', '-A', 'PREROUTING', '-j', 'DROP']);
  connect(outside, '172.20.0.3', 80, '192.0.2.254');
  const { out } = await trace.end();
  run('iptables-legacy', ['-t', 'mangle', '-F', 'PREROUTING']);
  const [lost, legacy, end] = linesOf(out);
  t.match(lost?.packet, { end: 'lost', words: [/in routing/, /routes say: .*reverse path/] });
  t.match(legacy?.packet, { end: 'lost', words: [/hook PREROUTING.*iptables-legacy/] });
  const [loss] = end?.summary?.losses ?? [];
  t.match(loss, { counter: 'TcpExt.IPReversePathFilter', words: /rp_filter/ });
});

t.test('more packets than anybody reads', async (t) => {
  const trace = await begin('any', '192.0.2.1:9/udp', '--json', '--count=100', '--rate=5');
  node(
    outside,
    `
    const socket = require('node:dgram').createSocket('udp4');
    let left = 5000;
    const next = () => (left-- > 0 ? socket.send('x', 9, '192.0.2.1', next) : socket.close());
    socket.on('error', () => {});
    next();`,
  );
  trace.child.kill('SIGINT');
  const { code, out } = await trace.end();
  const end = linesOf(out).at(-1)?.summary;
  t.equal(code, 0);
  t.ok((end?.matched ?? 0) > 1_000, `${end?.matched} fitted`);
  t.ok((end?.packets ?? 0) < 100, `${end?.packets} were told of`);
  t.match(end?.losses, [{ counter: 'Udp.NoPorts' }]);
});

t.test('two at once, others who flush, and readers that go', async (t) => {
  const one = await begin('any', ':8085', '--json', '--count=1');
  const other = await begin('any', ':8086', '--json', `--for=${30 * slowness}`);
  run('nft', ['add', 'table', 'inet', 'tmp']);
  t.equal(spawnSync('nft', ['delete', 'table', 'inet', tables()[0] ?? '']).status, 1);
  connect(outside, '192.0.2.1', 8086);
  connect(outside, '192.0.2.1', 8085);
  run('nft', ['delete', 'table', 'inet', 'tmp']);
  const first = linesOf((await one.end()).out);
  t.match(first, [{ packet: { destination: { port: 8085 } } }, { kind: 'end' }]);
  other.child.kill('SIGINT');
  const { code, out } = await other.end();
  t.equal(code, 0);
  t.match(linesOf(out), [
    { packet: { destination: { port: 8086 } } },
    { summary: { reason: 'interrupted' } },
  ]);

  const third = await begin('any', ':8087', '--json', `--for=${30 * slowness}`);
  third.child.stdout?.destroy();
  connect(outside, '192.0.2.1', 8087);
  t.equal((await third.end()).code, 0);
  t.strictSame(tables(), []);
});

t.test('what cannot be traced', async (t) => {
  const say = async (...words: string[]) => {
    const { code, err } = await start(words).end();
    return { code, err };
  };
  t.match(await say('any', 'nobody:80'), { code: 2, err: /no container or network nobody/ });
  t.match(await say('web', 'any/quic'), { code: 2, err: /PLACE:PORT/ });
  const nobody = await start(['any', ':8080', '--for=1', '--json']).end();
  t.equal(nobody.code, 4);
  t.match(linesOf(nobody.out).at(-1)?.summary, { packets: 0, reason: 'time' });
  const limited = await start(['any', ':80'], ['setpriv', '--bounding-set=-net_admin']).end();
  t.match(limited, { code: 1, err: /needs root/ });
  t.strictSame(tables(), []);
});

t.test('kill -9 at any moment leaves nothing', async (t) => {
  const random = new Random(newSeed());
  const begun = performance.now();
  const trace = await begin('any', ':8080', '--reply');
  const startMs = performance.now() - begun;
  trace.child.kill('SIGKILL');
  await trace.end();
  for (let kill = 0; kill < 20; kill += 1) {
    const { child, end } = start(['any', 'any', '--reply']);
    await sleep(random.number(Math.ceil(startMs * 1.3)));
    child.kill('SIGKILL');
    await end();
    // The kernel closes the sockets of a process that was killed before its parent is told.
    t.strictSame(tables(), [], `kill ${kill}`);
  }
});

t.test('several ports, by a range and by a set', async (t) => {
  const port = (number: number) =>
    [
      { is: 'protocol', protocol: 6 },
      { is: 'port', port: number },
    ] as const;
  for (const [first, second, other] of [
    [8091, 8092, 8093],
    [8091, 8093, 8092],
  ] as const) {
    const wanted = { ...everyFirst, replies: true, filter: [port(first), port(second)] };
    const table = await TraceTable.open(wanted, () => unread);
    for (const number of [first, second, other]) connect(outside, '192.0.2.1', number);
    t.strictSame(await table.matched(), { asked: 2, answers: 2 });
    await table.close();
  }
  t.strictSame(tables(), []);
});

t.test('without tables that have an owner, as before Linux 5.12', async (t) => {
  const reader = startTimed();
  await until('the table', () => reader.said().startsWith('ready') || undefined);
  // Longer than the table lives by itself.
  await sleep(2_500 * slowness);
  connect(outside, '192.0.2.1', 8080);
  await until('reports', () => reader.said().includes('.') || undefined);
  const [name = ''] = tables();
  const met = () =>
    /packets \d+/.exec(run('nft', ['list', 'chain', 'inet', name, 'marked']))?.[0] ?? 'nothing';
  t.match(met(), /packets [1-9]/);
  t.strictSame(await leftTraces(), [], 'it is in use');

  reader.kill();
  await until('the end of its time', async () => (await leftTraces()).includes(name) || undefined);
  t.strictSame(tables(), [name], 'the kernel keeps it');
  const before = met();
  connect(outside, '192.0.2.1', 8080);
  t.equal(met(), before, 'its rules match nothing');

  const next = await TraceTable.open({ ...everyFirst, filter: [[]] }, () => unread, {
    aliveMs: 500,
  });
  t.notOk(tables().includes(name), 'the next trace deletes it');
  await sleep(1_000);
  await t.rejects(next.renew(), { code: 'ENOENT' }, 'nobody renewed it');
  await next.close();
  t.strictSame(tables(), []);
});

type Line = { kind: string; packet?: PacketItem; summary?: SummaryItem };
function linesOf(out: string): Line[] {
  const lines = out.split('\n').filter((line) => line !== '');
  return lines.map((line) => documentOf(line) as unknown as Line);
}

const expected = `tracing 4 packets, 20 a second at most, for 60 s; nothing stays behind

TIME 192.0.2.9:PORT -> 192.0.2.1:8080 tcp SYN, in eth0  (packet 1)
  nat              PREROUTING 1 -> DOCKER 1: ! -i br-1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.20.0.2:80  [Docker or tsbridge; web]
  filter           FORWARD 3 -> DOCKER 1: -d 172.20.0.2/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 80 -j ACCEPT  [Docker or tsbridge; web]
  nat              POSTROUTING policy: ACCEPT
  became           192.0.2.9:PORT -> 172.20.0.2:80 (web)
  SENT out of br-1 to web.

TIME 172.20.0.2:80 (web) -> 192.0.2.9:PORT tcp RST ACK, in br-1  (answer to packet 1)
  filter           FORWARD 2: -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  became           192.0.2.1:8080 -> 192.0.2.9:PORT
  SENT out of eth0.

TIME 192.0.2.9:PORT -> 192.0.2.1:8083 tcp SYN, in eth0  (packet 2)
  nat              PREROUTING policy: ACCEPT
  filter           INPUT 1: -p tcp -m tcp --dport 8083 -j REJECT --reject-with icmp-port-unreachable
  REJECTED in INPUT by rule 1 of chain INPUT, table ip filter:
    -A INPUT -p tcp -m tcp --dport 8083 -j REJECT --reject-with icmp-port-unreachable

TIME 192.0.2.9:PORT -> 172.20.0.2:81 (web) tcp SYN, in eth0  (packet 3)
  nat              PREROUTING policy: ACCEPT
  filter           FORWARD policy: DROP
  DROPPED in FORWARD by the policy of chain FORWARD, table ip filter.

TIME 172.20.0.2:PORT (web) -> 192.0.2.9:99 tcp SYN, in br-1  (packet 4)
  nat              PREROUTING policy: ACCEPT
  filter           FORWARD 4: -i br-1 ! -o br-1 -j ACCEPT
  nat              POSTROUTING 1: -s 172.20.0.0/16 ! -o br-1 -j MASQUERADE
  became           192.0.2.1:PORT -> 192.0.2.9:99
  SENT out of eth0.

TIME 192.0.2.9:99 -> 192.0.2.1:PORT tcp RST ACK, in eth0  (answer to packet 4)
  filter           FORWARD 2: -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  became           192.0.2.9:99 -> 172.20.0.2:PORT (web)
  SENT out of br-1 to web.

packets: 4; answers: 2; dropped, rejected or lost: 2; ended: as many as were wanted
`;

/** Without times and random ports; and without what fitted beside: programs try again. */
function golden(out: string): string {
  return out
    .replace(/; \d+ came that fit$/m, '')
    .replace(/^\d\d:\d\d:\d\d\.\d{3} /gm, 'TIME')
    .replace(/(?<=192\.0\.2\.\d|172\.20\.0\.2(?: \(web\))?|:)(?<!\()(:)(\d{5})\b/g, '$1PORT');
}
