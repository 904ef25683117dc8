/** A router whose interfaces end in this process: what is explained of a packet there, and where a real one goes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExplainItem } from '../../src/cli/schemas/explain.js';
import { parseIp } from '../../src/core/address.js';
import { firstPacket, type Packet } from '../../src/core/explain/packet.js';
import { itemOf } from '../process/documents.js';
import { ipJson, run } from '../process/netns.js';
import { packetBytes } from './packet-bytes.js';
import { said } from './said.js';
import { RawSender, Tap } from './tun.js';

const folder = mkdtempSync(join(tmpdir(), 'tsbridge-real-'));

/** eth0 and eth1 lead to other hosts, v1 and v2 to containers on br-1. */
const taps = ['eth0', 'eth1', 'v1', 'v2'].map((name) => new Tap(name));
const sender = new RawSender();

export function close(): void {
  for (const each of [sender, ...taps]) each.close();
  rmSync(folder, { recursive: true });
}

const other = '02:00:00:00:00:99';
const macs: Readonly<Record<string, string>> = { 2: '02:00:00:00:00:02', 3: '02:00:00:00:00:03' };

for (const line of [
  'ip link add br-1 type bridge',
  'ip link set v1 master br-1',
  'ip link set v2 master br-1',
  ...['eth0', 'eth1', 'br-1', 'v1', 'v2'].map((name) => `ip link set ${name} up`),
  'ip address add 192.0.2.1/24 dev eth0',
  'ip address add 198.51.100.1/24 dev eth1',
  'ip address add 172.20.0.1/16 dev br-1',
  'ip -6 address add 2001:db8::1/64 dev eth0 nodad',
  'ip -6 address add fd00:20::1/64 dev br-1 nodad',
  'ip route add default via 192.0.2.254',
  'ip -6 route add default via 2001:db8::fe',
  'ip route add default via 198.51.100.254 table 100',
  'ip rule add fwmark 2 table 100',
  `ip neigh add 192.0.2.254 lladdr ${other} dev eth0`,
  `ip neigh add 198.51.100.254 lladdr ${other} dev eth1`,
  `ip -6 neigh add 2001:db8::fe lladdr ${other} dev eth0`,
  ...[2, 3].map((end) => `ip neigh add 172.20.0.${end} lladdr ${macs[end]} dev br-1`),
  ...[2, 3].map((end) => `ip -6 neigh add fd00:20::${end} lladdr ${macs[end]} dev br-1`),
  `bridge fdb add ${macs[2]} dev v1 master static`,
  `bridge fdb add ${macs[3]} dev v2 master static`,
  'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1',
  'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.all.send_redirects=0',
  ...['eth0', 'eth1', 'br-1'].map(
    (name) => `sysctl -qw net.ipv4.conf.${name}.rp_filter=0 net.ipv4.conf.${name}.send_redirects=0`,
  ),
]) {
  const [file = '', ...args] = line.split(' ');
  run(file, args);
}
// Behind all other chains: what is counted here comes to this host.
run(
  'nft',
  ['-f', '-'],
  'table inet seen { chain in { type filter hook input priority 900\nudp dport 1-65535 counter\n}\n}',
);
const macOf = new Map(ipJson('link', 'show').map(({ ifname, address }) => [ifname, address]));

export interface Case {
  readonly from: string;
  /** The interface that it arrives on; absent: made here. */
  readonly by?: 'eth0' | 'eth1' | 'v1';
  readonly to: string;
  readonly port?: number;
}

const portOf = ({ port = 53 }: Case) => port;
let sourcePort = 30_000;

function packetOf(asked: Case): Packet {
  sourcePort += 1;
  const [source, destination] = [asked.from, asked.to].map(parseIp);
  if (source === undefined || destination === undefined) throw new Error('no address');
  return firstPacket({
    ...{ family: asked.to.includes(':') ? 6 : 4, protocol: 17, source, destination },
    ...{ sourcePort, destinationPort: portOf(asked) },
  });
}

const bytesOf = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex');

/** Where it goes: `sent out of eth0`, `host` or `gone`. */
function sent(asked: Case): string {
  const packet = packetOf(asked);
  const seenBefore = counted();
  for (const tap of taps) tap.sent();
  if (asked.by === undefined) sender.send(packet.family, packetBytes(packet));
  else {
    const near = asked.to.startsWith('172.20.0.') || asked.to.startsWith('fd00:20::');
    const own = /[.:]1$/.test(asked.to);
    const gateway = String(macOf.get(asked.by === 'v1' ? 'br-1' : asked.by));
    const mac = asked.by === 'v1' && near && !own ? macs[asked.to.slice(-1)] : gateway;
    const type = Buffer.from(packet.family === 4 ? '0800' : '86dd', 'hex');
    const from = bytesOf(asked.by === 'v1' ? (macs[2] ?? '') : other);
    const tap = taps.find(({ name }) => name === asked.by);
    tap?.receive(Buffer.concat([bytesOf(mac ?? ''), from, type, packetBytes(packet)]));
  }
  const out = taps.find((tap) => tap.sent().some((frame) => isUdp(frame, packet)));
  if (out !== undefined) return `sent out of ${out.name.startsWith('v') ? 'br-1' : out.name}`;
  return counted() > seenBefore ? 'host' : 'gone';
}

/** It has the port that the packet came from; translations of these cases keep it. */
function isUdp(frame: Buffer, { family }: Packet): boolean {
  const at = 14 + (family === 4 ? 20 : 40);
  const protocol = frame[14 + (family === 4 ? 9 : 6)];
  return protocol === 17 && frame.length > at + 2 && frame.readUInt16BE(at) === sourcePort;
}

function counted(): number {
  return Number(/packets (\d+)/.exec(run('nft', ['list', 'chain', 'inet', 'seen', 'in']))?.[1]);
}

async function explained(asked: Case, ...flags: string[]): Promise<string> {
  const bracket = (address: string) => (address.includes(':') ? `[${address}]` : address);
  const device = asked.by === 'v1' ? 'br-1' : asked.by;
  const from = device === undefined ? 'host' : `${bracket(asked.from)}%${device}`;
  const to = `${bracket(asked.to)}:${portOf(asked)}/udp`;
  const { out, err } = await said(folder, 'explain', from, to, '--json', ...flags);
  if (out === '') throw new Error(err);
  const { verdict, ways, text } = itemOf<ExplainItem>(out);
  if (verdict === 'bridged') return 'sent out of br-1';
  if (verdict === 'sent')
    return (
      text
        .find((line) => line.startsWith('SENT'))
        ?.slice(0, -1)
        .toLowerCase() ?? ''
    );
  return verdict === 'host'
    ? 'host'
    : verdict === 'depends'
      ? `depends on ${ways.length} ways`
      : 'gone';
}

/** What both say. */
export async function both(asked: Case): Promise<{ real: string; explained: string }> {
  return { real: sent(asked), explained: await explained(asked) };
}
