/** Makes the table by which the kernel traces packets, while this process reads, and hands on the kernel's reports. */
import type { Socket } from 'node:net';
import { messagesIn } from '../../codec/netlink/netlink-message.js';
import { renewBatch } from '../../codec/nf-tables/nft-sets.js';
import { readTraceEvent, traceGroup } from '../../codec/nf-tables/tracing/nft-trace.js';
import {
  aliveKeys,
  aliveSet,
  deleteTraceTableBatch,
  matchedPackets,
  type TraceTable as Table,
  traceCountersRequest,
  traceTableBatch,
} from '../../codec/nf-tables/tracing/nft-trace-table.js';
import { codeOf } from '../../core/errors.js';
import { inner, tracePrefix } from '../../core/trace/chains.js';
import type { TraceEvent } from '../../core/trace/event.js';
import { collectDump } from '../netlink/socket/dump.js';
import { openEvents } from '../netlink/socket/event-calls.js';
import { NetlinkError } from '../netlink/socket/netlink-error.js';
import { NftSocket, type Verdict } from '../nf-tables/nft-socket.js';
import { removeLeftTraces } from './trace-tables.js';

const netfilter = 12;

/** Milliseconds for which the rules of a table without an owner match, after it was made or renewed. */
const usualAliveMs = 10_000;

type Refusal = Extract<Verdict, { made: false }>;

export interface TraceReader {
  read(event: TraceEvent): void;
  /** Called when the socket's buffer was full: the kernel has left reports out. */
  gap(): void;
}

export class TraceTable {
  #events: Socket | undefined;
  #closed = false;
  /**
   * Milliseconds for which the table is alive after each renewal; undefined: the socket owns the table, or it is not
   * made.
   */
  #aliveMs: number | undefined;
  #renewed = performance.now();
  /**
   * How often the table was renewed. These transactions change nobody's rules, so {@link generation} does not count
   * them.
   */
  #renewals = 0;

  private constructor(
    private readonly socket: NftSocket,
    readonly name: string,
    private readonly reader: TraceReader,
  ) {}

  /**
   * Makes the table: packets are traced until {@link close} or the end of the process, however it ends. On kernels that
   * know no owner of a table (before 5.12) a table that its process leaves when it is killed matches nothing after
   * 10 s, and the next trace deletes it.
   *
   * @param timed as with such kernels; for tests
   * @throws {NetlinkError} `EPERM` without CAP_NET_ADMIN
   */
  static async open(
    wanted: Omit<Table, 'name'>,
    readerOf: (name: string) => TraceReader,
    timed?: { readonly aliveMs: number },
  ): Promise<TraceTable> {
    const socket = new NftSocket();
    const name = `${tracePrefix}${socket.portId}`;
    const table = new TraceTable(socket, name, readerOf(name));
    try {
      table.#listen();
      await table.#make({ ...wanted, name }, timed);
      return table;
    } catch (error) {
      await table.close();
      if (!(error instanceof NetlinkError) || error.code !== 'EPERM') throw error;
      throw new NetlinkError('EPERM', 'tracing needs root, or CAP_NET_ADMIN (EPERM)');
    }
  }

  async #make(wanted: Table, timed: { readonly aliveMs: number } | undefined): Promise<void> {
    if (timed === undefined) {
      const verdict = await this.socket.transaction(traceTableBatch(wanted, 'socket'), false);
      if (verdict.made) return;
      if (!isWithoutOwner(verdict)) throw refused(verdict);
    }
    // Only kernels without owners of tables leave tables behind.
    await removeLeftTraces(this.socket);
    const owner = timed ?? { aliveMs: usualAliveMs };
    const verdict = await this.socket.transaction(traceTableBatch(wanted, owner), false);
    if (!verdict.made) throw refused(verdict);
    this.#aliveMs = owner.aliveMs;
    this.#renewed = performance.now();
  }

  /**
   * Renews the table, if it has no owner and its time passes. Call it once a second at least.
   *
   * @throws {NetlinkError} if the table is gone
   */
  async renew(): Promise<void> {
    const alive = this.#aliveMs;
    if (alive === undefined || performance.now() - this.#renewed < alive / 5) return;
    const verdict = await this.socket.transaction(
      renewBatch(this.name, aliveSet, aliveKeys),
      false,
    );
    if (!verdict.made) throw refused(verdict);
    this.#renewals += 1;
    this.#renewed = performance.now();
  }

  /**
   * Asks for the kernel's generation, which is one more after each transaction; those that renew the table do not
   * count.
   */
  generation(): number {
    return this.socket.generation() - this.#renewals;
  }

  /** How many packets fitted the filter, and how many answers came; those above the limit are counted, too. */
  async matched(): Promise<{ readonly asked: number; readonly answers: number }> {
    const counts = await collectDump(netfilter, traceCountersRequest(this.name), matchedPackets);
    const of = (name: string) =>
      counts.find(({ table, chain }) => table === this.name && chain === name)?.packets ?? 0;
    return { asked: of(inner.marked), answers: of(inner.answers) };
  }

  /**
   * Closes the socket: the kernel then deletes the table if the socket owns it. A table without an owner is deleted
   * first.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#events?.destroy();
    try {
      if (this.#aliveMs !== undefined) {
        // Somebody else may have deleted it: then it is gone, too.
        await this.socket.transaction(deleteTraceTableBatch(this.name), false);
      }
    } finally {
      this.socket.close();
    }
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

/**
 * Whether the kernel knows no owners of tables. It then refuses the first request, whose flag it does not know: with
 * EOPNOTSUPP, before Linux 5.7 with EINVAL.
 */
function isWithoutOwner({ index, code }: Refusal): boolean {
  return index === 0 && ['EOPNOTSUPP', 'EINVAL'].includes(code);
}

function refused({ code }: Refusal): NetlinkError {
  return new NetlinkError(code, `the kernel refuses the table that traces (${code})`);
}
