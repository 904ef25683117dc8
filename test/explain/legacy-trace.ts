/** What the kernel says of a packet that passes rules of iptables-legacy: which of them it matched, in order. */
import {
  flag,
  formatRequest,
  messagesIn,
  readAttributes,
  readText,
} from '../../src/codec/netlink/netlink-message.js';
import type { Family } from '../../src/core/address.js';
import type { RuleTable } from '../../src/core/explain/chains/rule-table.js';
import {
  closeNetlink,
  openNetlink,
  receiveNetlinkNow,
  sendNetlinkNow,
} from '../../src/host/netlink/socket/netlink-calls.js';
import { run } from '../process/netns.js';
import type { KernelTrace } from './kernel-trace.js';

/** NFNL_SUBSYS_ULOG with NFULNL_MSG_PACKET and NFULNL_MSG_CONFIG (linux/netfilter/nfnetlink_log.h). */
const message = { packet: 4 << 8, config: (4 << 8) | 1 } as const;
const prefixAttribute = 10;
/** NFULA_CFG_CMD with NFULNL_CFG_CMD_BIND; NFULA_CFG_MODE with NFULNL_COPY_NONE; NFULA_CFG_QTHRESH of 1 packet. */
const bind = Buffer.from([5, 0, 1, 0, 1, 0, 0, 0]);
const withoutPacket = Buffer.from([10, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const atOnce = Buffer.from([8, 0, 5, 0, 0, 0, 0, 1]);

/**
 * Reports on marked packets go to the logger of the namespace: here to NFLOG's group 0, which this socket reads. A
 * report has the number of the rule in its chain; the chain's end has the number after the last one.
 */
export class LegacyTrace implements KernelTrace {
  readonly #fd = openNetlink(12, { receiveBuffer: 16 << 20 });
  readonly #bytes = Buffer.alloc(1 << 16);
  #lines: string[] = [];
  #chains: ReadonlyMap<string, { readonly length: number; readonly isBase: boolean }> = new Map();

  constructor() {
    for (const family of [2, 10]) {
      run('sysctl', ['-qw', `net.netfilter.nf_log.${family}=nfnetlink_log`]);
    }
    this.#configure(bind);
    this.#configure(Buffer.concat([withoutPacket, atOnce]));
  }

  begin(_: Family, tables: readonly RuleTable[]): void {
    this.#chains = new Map(
      tables.flatMap(({ name, chains }) =>
        [...chains.values()].map((chain) => {
          const isBase = chain.policy !== undefined;
          return [`${name} ${chain.name}`, { length: chain.rules.length, isBase }] as const;
        }),
      ),
    );
  }

  forget(): void {
    this.lines();
    this.#lines = [];
  }

  lines(): string[] {
    for (;;) {
      const length = receiveNetlinkNow(this.#fd, this.#bytes);
      if (length === undefined) return this.#lines;
      const datagram = this.#bytes.subarray(0, length);
      for (const { type, start, end } of messagesIn(datagram)) {
        if (type !== message.packet) continue;
        const attributes = readAttributes(datagram.subarray(start + 4, end));
        this.#lines.push(...this.#lineOf(readText(attributes, prefixAttribute) ?? ''));
      }
    }
  }

  /** `TRACE: filter:FORWARD:rule:3 `. Other packets that come to the group are those of rules with LOG. */
  #lineOf(prefix: string): string[] {
    const [, table, chain, digits] = /^TRACE: (\w+):(.+):\w+:(\d+) ?$/.exec(prefix) ?? [];
    if (table === undefined || chain === undefined) return [];
    const number = Number(digits);
    const { length = 0, isBase = false } = this.#chains.get(`${table} ${chain}`) ?? {};
    if (number <= length) return [`${table} ${chain} ${number}`];
    return isBase ? [`${table} ${chain} policy`] : [];
  }

  close(): void {
    closeNetlink(this.#fd);
  }

  #configure(attributes: Buffer): void {
    // struct nfgenmsg: any family, version 0, group 0.
    const body = Buffer.concat([Buffer.alloc(4), attributes]);
    const request = { type: message.config, flags: flag.ack, body };
    sendNetlinkNow(this.#fd, formatRequest(request, 1));
    const length = receiveNetlinkNow(this.#fd, this.#bytes) ?? 0;
    const errno = this.#bytes.subarray(0, length).readInt32LE(16);
    if (errno !== 0) throw new Error(`the kernel does not report rules of legacy: errno ${-errno}`);
  }
}
