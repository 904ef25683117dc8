/** Makes the table that traces packets for as long as this process lives, and hands on the kernel's reports of them. */
import type { Socket } from 'node:net';
import { formatRequest, messagesIn } from '../../codec/netlink/netlink-message.js';
import { readTraceEvent, traceGroup } from '../../codec/nf-tables/nft-trace.js';
import {
  matchedPackets,
  type TraceTable as Table,
  traceCountersRequest,
  traceTableBatch,
} from '../../codec/nf-tables/nft-trace-table.js';
import { codeOf } from '../../core/errors.js';
import { inner, tracePrefix } from '../../core/trace/chains.js';
import type { TraceEvent } from '../../core/trace/event.js';
import { collectDump } from '../netlink/socket/dump.js';
import { openEvents } from '../netlink/socket/event-calls.js';
import { NetlinkError } from '../netlink/socket/netlink-error.js';
import { NftSocket } from '../nf-tables/nft-socket.js';

const netfilter = 12;

/** The kernel cannot delete a table when its socket closes: before Linux 5.12. */
export class KernelTooOld extends Error {
  override readonly name = 'KernelTooOld';
}

export interface TraceReader {
  read(event: TraceEvent): void;
  /** Called when the socket's buffer was full: the kernel has left reports out. */
  gap(): void;
}

export class TraceTable {
  #events: Socket | undefined;
  #closed = false;

  private constructor(
    private readonly socket: NftSocket,
    readonly name: string,
    private readonly reader: TraceReader,
  ) {}

  /**
   * Makes the table: packets are traced until {@link close} or the end of the process, however it ends.
   *
   * @throws {NetlinkError} `EPERM` without CAP_NET_ADMIN
   * @throws {KernelTooOld}
   */
  static async open(
    wanted: Omit<Table, 'name'>,
    readerOf: (name: string) => TraceReader,
  ): Promise<TraceTable> {
    const socket = new NftSocket();
    const name = `${tracePrefix}${socket.portId}`;
    const table = new TraceTable(socket, name, readerOf(name));
    try {
      table.#listen();
      const requests = traceTableBatch({ ...wanted, name });
      const bytes = Buffer.concat(requests.map(formatRequest));
      const verdict = await socket.transaction({ bytes, last: requests.length - 2 }, false);
      if (verdict.made) return table;
      // The first request makes the table with a flag that older kernels refuse so.
      if (verdict.index === 0 && verdict.code === 'EOPNOTSUPP') {
        throw new KernelTooOld(
          'the kernel is older than Linux 5.12: it has no tables that vanish with their maker',
        );
      }
      throw new NetlinkError(
        verdict.code,
        `the kernel refuses the table that traces (${verdict.code})`,
      );
    } catch (error) {
      table.close();
      if (!(error instanceof NetlinkError) || error.code !== 'EPERM') throw error;
      throw new NetlinkError('EPERM', 'tracing needs root, or CAP_NET_ADMIN (EPERM)');
    }
  }

  /** Asks for the kernel's generation, which is one more after each transaction. */
  generation(): number {
    return this.socket.generation();
  }

  /** How many packets fitted the filter, and how many answers came; those above the limit are counted, too. */
  async matched(): Promise<{ readonly asked: number; readonly answers: number }> {
    const counts = await collectDump(netfilter, traceCountersRequest(this.name), matchedPackets);
    const of = (name: string) =>
      counts.find(({ table, chain }) => table === this.name && chain === name)?.packets ?? 0;
    return { asked: of(inner.marked), answers: of(inner.answers) };
  }

  /** Closes the socket, upon which the kernel deletes the table. */
  close(): void {
    this.#closed = true;
    this.#events?.destroy();
    this.socket.close();
  }

  #listen(): void {
    const events = openEvents({ protocol: netfilter, groups: [traceGroup], filters: [] });
    this.#events = events;
    events.on('data', (datagram: Buffer) => {
      for (const { type, start, end } of messagesIn(datagram)) {
        const event = readTraceEvent(type, datagram.subarray(start, end));
        if (event !== undefined) this.reader.read(event);
      }
    });
    let reason: unknown;
    events.on('error', (error) => {
      reason = error;
    });
    events.on('close', () => {
      if (this.#closed) return;
      this.reader.gap();
      if (codeOf(reason) === 'ENOBUFS') this.#listen();
    });
  }
}
