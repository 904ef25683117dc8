/** What the kernel reports of a traced packet, one rule or chain's end at a time. */
import type { Family, IpAddress } from '../address.js';

export const tableFamilies = ['ip', 'ip6', 'inet', 'bridge', 'netdev', 'arp'] as const;
/** The family of a table of nf_tables. */
export type TableFamily = (typeof tableFamilies)[number];

/** Addresses, ports and flags of a packet. */
export interface PacketHeaders {
  readonly family: Family;
  /** IANA number. */
  readonly protocol: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** 0 for a protocol without ports. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Bits as in `explain/packet.ts`; 0 for other protocols than TCP. */
  readonly tcpFlags: number;
}

/** One rule that a packet matched, or the end of a chain that it reached. */
export interface TraceEvent {
  /** The kernel's number of the packet: equal in all reports of one packet, and given again to later ones. */
  readonly id: number;
  readonly family: TableFamily;
  readonly table: string;
  readonly chain: string;
  readonly kind: 'policy' | 'return' | 'rule';
  /** The rule's handle; absent for `policy` and for the end of a chain. */
  readonly handle?: bigint;
  /** `accept`, `drop`, `continue`, `jump`, `goto`, `return`, `queue`, `stolen`; for `policy` one of the first two. */
  readonly verdict?: string;
  /** The chain that `jump` and `goto` lead to. */
  readonly to?: string;
  readonly mark: number;
  /** Indexes of interfaces; absent: there is none (yet). */
  readonly in?: number;
  readonly out?: number;
  /** Headers of the packet, which the kernel reports with the first rule of each base chain. */
  readonly headers?: PacketHeaders;
}
