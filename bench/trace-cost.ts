/**
 * What `tsbridge trace` costs each packet of UDP that is forwarded and translated: without a trace, with traces of other
 * packets, with one that is at its limit, and with one of 1,000 packets a second. On two ways through a host: the shortest
 * that there is, from one tun interface to another, and that of a published port of Docker's, from a veth pair by a bridge
 * into a container's namespace.
 *
 * Beside them, tables written by nft show what the kernel takes whatever the trace does: for a chain without rules, and
 * for the mere existence of a rule on the machine that could trace.
 *
 *   node --import=tsx bench/trace-cost.ts      # root; in a network namespace of its own
 */
import { parseIp } from '../src/core/address.js';
import { firstPacket, ipProtocols } from '../src/core/explain/packet.js';
import type { TracedHooks } from '../src/core/trace/chains.js';
import { type PacketFilter, possible } from '../src/core/trace/pattern.js';
import { inFreshNamespace, run } from '../test/process/netns.js';

inFreshNamespace();
const { openSync, closeSync } = await import('node:fs');
const { default: koffi } = await import('koffi');
const { hooksToTrace } = await import('../src/host/trace/traced-hooks.js');
const { TraceTable } = await import('../src/host/trace/trace-table.js');
const { packetBytes } = await import('../test/explain/packet-bytes.js');
const { Tun } = await import('../test/explain/tun.js');
const { makeRouter } = await import('../test/process/tracing.js');
const { median, percentile } = await import('./measure.js');

/** Short rounds, so that many of them pass without other work of the machine's in them. */
const packetsInRound = 500;
const rounds = 30;
const readings = 10;

const ip = (text: string) => {
  const address = parseIp(text);
  if (address === undefined) throw new Error(text);
  return address;
};
const port = (number: number): PacketFilter[number] => [
  { is: 'protocol', protocol: ipProtocols.udp },
  { is: 'port', port: number },
];

interface Trace {
  readonly filter: PacketFilter;
  readonly rate: number;
  readonly replies?: true;
  readonly tracedHooks?: TracedHooks;
}
/** A trace, or the text of a table that nft writes in place of one. */
type Way = Trace | { readonly table: string };

const emptyChain = (hook: string, priority: number, at: number) =>
  `chain c${at} { type filter hook ${hook} priority ${priority}; }`;
/** A chain that no packet meets, with a rule that would begin a trace. */
const couldTrace = 'chain unused { meta nftrace set 1; }';

const ways: Readonly<Record<string, Way | undefined>> = {
  'no trace': undefined,
  'one chain without rules': { table: emptyChain('prerouting', -350, 0) },
  'three chains without rules': {
    table: ['prerouting', 'forward', 'postrouting']
      .map((hook, at) => emptyChain(hook, -350, at))
      .join('; '),
  },
  'a rule that could trace, and is never met': { table: couldTrace },
  'a trace of another port of the host': {
    filter: possible([[...port(9), { is: 'to-host' }]]),
    rate: 20,
  },
  'the same, with chains at every hook, as beside iptables-legacy': {
    filter: possible([[...port(9), { is: 'to-host' }]]),
    ...({ rate: 20, tracedHooks: 'every-hook' } as const),
  },
  'a trace of another port of the host, with its answers': {
    filter: possible([[...port(9), { is: 'to-host' }]]),
    ...({ rate: 20, replies: true } as const),
  },
  'a trace of a container with 8 ports': {
    filter: possible([
      [{ is: 'source', cidr: { family: 4, address: ip('172.20.0.7'), prefixLength: 32 } }],
      [{ is: 'destination', cidr: { family: 4, address: ip('172.20.0.7'), prefixLength: 32 } }],
      ...Array.from({ length: 8 }, (_, at): PacketFilter[number] => [
        ...port(9_000 + at * 10),
        { is: 'to-host' },
      ]),
    ]),
    rate: 20,
  },
  'a trace of all, at its limit of 20 a second': { filter: [[]], rate: 20 },
  'a trace of all, 1,000 a second': { filter: [[]], rate: 1_000 },
};

const [outside, web] = await makeRouter();
const iptables = (text: string) => run('iptables', text.split(' '));
for (const text of [
  '-t raw -A PREROUTING -d 172.20.0.2/32 ! -i br-1 -j DROP',
  '-t nat -I DOCKER ! -i br-1 -p udp --dport 8080 -j DNAT --to-destination 172.20.0.2:80',
  '-I DOCKER -d 172.20.0.2/32 ! -i br-1 -o br-1 -p udp --dport 80 -j ACCEPT',
  '-A FORWARD -d 172.21.0.2 -p udp --dport 80 -j ACCEPT',
  '-t nat -A PREROUTING -i tun0 -p udp --dport 8081 -j DNAT --to-destination 172.21.0.2:80',
]) {
  iptables(text);
}
// The container takes the packets and answers none.
const inWeb = ['-t', String(web.pid), '-n'];
const drop = 'iptables -t raw -A PREROUTING -p udp --dport 80 -j DROP';
run('nsenter', [...inWeb, ...drop.split(' ')]);
const [arriving, leaving] = [new Tun('tun0'), new Tun('tun1')];
for (const text of [
  'ip address add 198.51.100.1/24 dev tun0',
  'ip address add 172.21.0.1/16 dev tun1',
  'ip link set tun0 up',
  'ip link set tun1 up',
]) {
  run('ip', text.split(' ').slice(1));
}

const packets = Array.from({ length: 32 }, (_, at) =>
  packetBytes(
    firstPacket({
      ...{ family: 4, protocol: ipProtocols.udp, sourcePort: 20_000 + at, destinationPort: 8081 },
      ...{ source: ip('198.51.100.9'), destination: ip('198.51.100.1') },
    }),
  ),
);
const senders: Readonly<Record<string, (at: number) => void>> = {
  'the shortest way: tun to tun': (at) => arriving.receive(packets[at & 31] as Buffer),
  'a published port: veth, DNAT, bridge, veth': veths(Number(outside.pid)),
};

/** Sends from the namespace of the process. The kernel has passed the packet through all hooks when a call returns. */
function veths(pid: number): (at: number) => void {
  const library = koffi.load(null);
  const setns = library.func('int setns(int fd, int kind)');
  const socket = library.func('int socket(int domain, int type, int protocol)');
  const connect = library.func('int connect(int fd, const void *address, uint size)');
  const send = library.func('int64 send(int fd, const void *bytes, size_t length, int flags)');
  const cloneNewnet = 0x4000_0000;
  const [own, theirs] = ['/proc/thread-self/ns/net', `/proc/${pid}/ns/net`].map((path) =>
    openSync(path, 'r'),
  ) as [number, number];
  if (setns(theirs, cloneNewnet) !== 0) throw new Error('setns');
  // struct sockaddr_in: 192.0.2.1:8080
  const to = Buffer.alloc(16);
  to.writeUInt16LE(2, 0);
  to.writeUInt16BE(8080, 2);
  to.set([192, 0, 2, 1], 4);
  const sockets = Array.from({ length: 32 }, (): number => socket(2, 2, 0));
  for (const each of sockets) if (connect(each, to, to.length) !== 0) throw new Error('connect');
  if (setns(own, cloneNewnet) !== 0) throw new Error('setns');
  for (const each of [own, theirs]) closeSync(each);
  const bytes = Buffer.alloc(64);
  return (at) => {
    if (send(sockets[at & 31], bytes, bytes.length, 0) !== bytes.length) throw new Error('send');
  };
}

let reports = 0;

/** @returns takes it away again */
async function opened(way: Way | undefined): Promise<() => Promise<void>> {
  if (way === undefined) return async () => undefined;
  if ('table' in way) {
    run('nft', ['-f', '-'], `table inet cost { ${way.table}; }`);
    return async () => void run('nft', ['delete', 'table', 'inet', 'cost']);
  }
  const wanted = {
    ...{ filter: way.filter, replies: way.replies ?? false, everyPacket: false },
    tracedHooks: way.tracedHooks ?? (await hooksToTrace()),
  };
  const table = await TraceTable.open({ ...wanted, packetsPerSecond: way.rate }, () => ({
    read: () => (reports += 1),
    gap: () => undefined,
  }));
  return () => table.close();
}

for (const [title, send] of Object.entries(senders)) {
  const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
  for (let round = 0; round < rounds; round += 1) {
    // The order changes with each round, so that other work on the machine slows all ways alike.
    for (const name of Object.keys(ways).sort(() => Math.random() - 0.5)) {
      const way = ways[name];
      const close = await opened(way);
      // Not counted: it fills caches and conntrack's table, and the burst of the limit is over then.
      for (let at = 0; at < packetsInRound; at += 1) send(at);
      for (let reading = 0; reading < readings; reading += 1) {
        const begun = process.hrtime.bigint();
        for (let at = 0; at < packetsInRound; at += 1) send(at);
        times.get(name)?.push(Number(process.hrtime.bigint() - begun) / 1_000 / packetsInRound);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
      await close();
    }
  }
  const base = percentile(times.get('no trace') ?? [], 0.1);
  console.log(`${title}; ${rounds * readings} readings of ${packetsInRound} packets`);
  for (const [name, spent] of times) {
    const tenth = percentile(spent, 0.1);
    const more = `${(tenth - base).toFixed(2)} µs, ${((tenth / base - 1) * 100).toFixed(1)} %`;
    console.log(
      `  ${name}: tenth ${tenth.toFixed(2)} µs, median ${median(spent).toFixed(2)} µs; ${more} more`,
    );
  }
}
console.log(`${reports} reports were read`);
for (const each of [arriving, leaving]) each.close();
process.exit(0);
