/** What the kernel itself says of a packet: which rules it matched, in order. */
import { spawnSync } from 'node:child_process';
import { messagesIn } from '../../src/codec/netlink/netlink-message.js';
import { readTraceEvent, traceGroup } from '../../src/codec/nf-tables/tracing/nft-trace.js';
import type { Family } from '../../src/core/address.js';
import type { RuleTable } from '../../src/core/explain/chains/rule-table.js';
import type { TraceEvent } from '../../src/core/trace/event.js';
import {
  closeNetlink,
  openNetlink,
  receiveNetlinkNow,
  setMembership,
} from '../../src/host/netlink/socket/netlink-calls.js';
import { run } from '../process/netns.js';

/** Marks what comes by a tun interface, or is made here, with a source port (or type of echo) of the random packets. */
export function startTracing(): void {
  const ours = [
    'th sport 20000-29999 meta nftrace set 1',
    'icmp type echo-request meta nftrace set 1',
    'icmpv6 type echo-request meta nftrace set 1',
  ];
  // Answers of other hosts are looked at, too. What this host answers by itself belongs to no random packet.
  const answers = [
    'iifname "tun*" th dport 20000-29999 meta nftrace set 1',
    'iifname "tun*" icmp type echo-reply meta nftrace set 1',
    'iifname "tun*" icmpv6 type echo-reply meta nftrace set 1',
  ];
  // What the kernel itself sends where no program waits for an answer of TCP.
  const reset = 'tcp flags & rst == rst return';
  nft(`
    table inet tracing {
      chain arriving { type filter hook prerouting priority -350; ${[...ours, ...answers].join('; ')}; }
      chain made { type filter hook output priority -350; ${[reset, ...ours].join('; ')}; }
    }`);
}

export function stopTracing(): void {
  nft('delete table inet tracing');
}

function nft(text: string): void {
  run('nft', ['-f', '-'], text);
}

/** The rules that a packet met, as the kernel tells of them. */
export interface KernelTrace {
  /** Before the first packet of a rule set. @param tables all of iptables', of that family */
  begin(family: Family, tables: readonly RuleTable[]): void;
  /** Forgets what the kernel has told so far: a new packet begins. */
  forget(): void;
  /** What has been told since: `nat PREROUTING 1`, `filter FORWARD policy`. Ends of other chains are left out. */
  lines(): string[];
  close(): void;
}

/** Of rules of nf_tables: those of iptables-nft, and of nft itself. */
export class NftTrace implements KernelTrace {
  readonly #fd = openNetlink(12, { receiveBuffer: 16 << 20 });
  readonly #bytes = Buffer.alloc(1 << 16);
  #events: TraceEvent[] = [];
  #positions = new Map<string, number>();

  constructor() {
    setMembership(this.#fd, traceGroup, true);
  }

  begin(family: Family): void {
    const own = family === 4 ? 'ip' : 'ip6';
    this.#positions = new Map([...rulePositions(own), ...rulePositions('inet')]);
  }

  forget(): void {
    this.#read();
    this.#events = [];
  }

  lines(): string[] {
    this.#read();
    return this.#events.flatMap(({ table, chain, kind, handle }) => {
      if (kind === 'policy') return [`${table} ${chain} policy`];
      const place = handle === undefined ? '' : `${table} ${chain} ${handle}`;
      const position = this.#positions.get(place);
      return position === undefined ? [] : [`${table} ${chain} ${position}`];
    });
  }

  /** Reads reports of the kernel, and leaves out those about the table that marks packets to be traced. */
  #read(): void {
    for (;;) {
      const length = receiveNetlinkNow(this.#fd, this.#bytes);
      if (length === undefined) return;
      const datagram = this.#bytes.subarray(0, length);
      for (const { type, start, end } of messagesIn(datagram)) {
        const event = readTraceEvent(type, Buffer.from(datagram.subarray(start, end)));
        if (event !== undefined && event.table !== 'tracing') this.#events.push(event);
      }
    }
  }

  close(): void {
    closeNetlink(this.#fd);
  }
}

/** Positions in their chains, by table, chain and the kernel's number of the rule, as nft lists them. */
function rulePositions(family: 'ip' | 'ip6' | 'inet'): Map<string, number> {
  const { stdout } = spawnSync('nft', ['-j', '-a', 'list', 'ruleset', family], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const counts = new Map<string, number>();
  const positions = new Map<string, number>();
  const { nftables } = JSON.parse(stdout) as {
    nftables: { rule?: { table: string; chain: string; handle: number } }[];
  };
  for (const { rule } of nftables) {
    if (rule === undefined) continue;
    const chain = `${rule.table} ${rule.chain}`;
    const position = (counts.get(chain) ?? 0) + 1;
    counts.set(chain, position);
    positions.set(`${chain} ${rule.handle}`, position);
  }
  return positions;
}
