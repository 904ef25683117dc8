/** One run of `tsbridge trace`: shows packets as they come, until enough were shown, the time is over, or Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type KernelCounters, lossesBetween } from '../../core/trace/counters.js';
import { answeredKey, flowKey, type NameOf } from '../../core/trace/describe.js';
import type { TraceEvent } from '../../core/trace/event.js';
import { chainKey } from '../../core/trace/listing.js';
import { quietMs, type ReportedPacket, TracedPackets } from '../../core/trace/packets.js';
import type { PacketFilter } from '../../core/trace/pattern.js';
import { placed, type TracedPacket } from '../../core/trace/placing.js';
import { readKernelCounters } from '../../host/trace/kernel-counters.js';
import { addNativeChains, type ReadListing, readListing } from '../../host/trace/rule-listings.js';
import { TraceTable } from '../../host/trace/trace-table.js';
import { hooksToTrace } from '../../host/trace/traced-hooks.js';
import type { SummaryItem, TraceItem } from '../schemas/trace.js';
import { type PacketWords, packetItem } from './items.js';

export interface TraceOptions {
  readonly filter: PacketFilter;
  readonly replies: boolean;
  readonly everyPacket: boolean;
  readonly packetsPerSecond: number;
  /** true: packets that are not dropped, rejected or lost are counted, and not shown. */
  readonly droppedOnly: boolean;
  /** The trace ends when so many packets were shown; answers do not count. */
  readonly count: number;
  readonly forMs: number;
  readonly end: AbortSignal;
  readonly nameOf: NameOf;
  /** Why the host does not route the packet; undefined: it does, or that is not known. */
  noRoute(packet: TracedPacket): Promise<string | undefined>;
  /** @param at when the packet came */
  tell(item: TraceItem, at: Date): void;
}

/** How often packets that have ended are looked for. */
const tickMs = 50;
/** From one reading of all rules to the next, at least: reading 20,000 takes a quarter of a second of a processor. */
const listingMs = 1_000;
/** Flows that are remembered so that their answers are known as such, at most. */
const mostFlows = 10_000;

/** @throws {NetlinkError} `EPERM` without CAP_NET_ADMIN, or if somebody deletes the table that traces */
export async function trace(options: TraceOptions): Promise<SummaryItem> {
  const gaps = { told: 0, seen: 0 };
  let packets: TracedPackets | undefined;
  // The counters are read before the table is there: from then on, packets that the kernel drops count for this trace.
  const [tracedHooks, before] = await Promise.all([hooksToTrace(), readKernelCounters()]);
  const table = await TraceTable.open({ ...options, tracedHooks }, (name) => {
    const own = new TracedPackets(name);
    packets = own;
    return {
      read: (event: TraceEvent) => own.add(event, performance.now()),
      gap: () => {
        gaps.seen += 1;
      },
    };
  });
  try {
    const listing = await readListing(() => table.generation());
    const session = new Session(options, table, listing);
    const deadline = performance.now() + options.forMs;
    let reason: SummaryItem['reason'] | undefined;
    while (reason === undefined) {
      // Ctrl-C ends the wait at once. Meanwhile the event loop reads the kernel's reports.
      await sleep(tickMs, undefined, { signal: options.end }).catch(() => undefined);
      await table.renew();
      reason = options.end.aborted
        ? 'interrupted'
        : performance.now() >= deadline
          ? 'time'
          : undefined;
      if (gaps.seen > gaps.told) options.tell({ kind: 'gap' }, new Date());
      gaps.told = gaps.seen;
      const ended = packets?.ended(performance.now(), reason !== undefined) ?? [];
      if (await session.show(ended)) reason ??= 'count';
    }
    // The answers to the last packets may have come, and not ended yet.
    if (reason === 'count') {
      await sleep(quietMs, undefined, { signal: options.end }).catch(() => undefined);
      await session.show(packets?.ended(performance.now(), true) ?? []);
    }
    return await session.summary(reason, before);
  } finally {
    await table.close();
  }
}

class Session {
  #packets = 0;
  #told = 0;
  #answers = 0;
  #dropped = 0;
  #read = performance.now();
  /** The numbers of packets by their flows: see {@link flowKey}. */
  readonly #flows = new Map<string, number>();

  constructor(
    private readonly options: TraceOptions,
    private readonly table: TraceTable,
    private listing: ReadListing,
  ) {}

  /** @returns whether enough packets were shown */
  async show(packets: readonly ReportedPacket[]): Promise<boolean> {
    const before = this.listing;
    if (packets.length > 0) await this.#readAgain();
    const events = packets.flatMap(({ steps }) => steps.map(({ event }) => event));
    await addNativeChains(this.listing, events);
    for (const packet of packets) {
      const { hooks } = this.listing;
      const whole = placed(packet, (event) => {
        const key = chainKey(event);
        return hooks.get(key) ?? before.hooks.get(key);
      });
      await this.#showOne(whole, before);
    }
    return this.#told >= this.options.count;
  }

  async #showOne(packet: TracedPacket, before: ReadListing): Promise<void> {
    const { first, last, end } = packet;
    if (first === undefined || last === undefined) return;
    const answers = packet.reply ? this.#flows.get(answeredKey(first)) : undefined;
    // An answer to a packet that did not fit: not every condition of the filter can be asked of answers.
    if (packet.reply && answers === undefined) return;
    if (!packet.reply && this.#told >= this.options.count) return;
    const lost = end.kind !== 'host' && end.kind !== 'sent' && end.kind !== 'queued';
    if (packet.reply) this.#answers += 1;
    else this.#begin(flowKey(last));
    if (lost) this.#dropped += 1;
    if (this.options.droppedOnly && !lost) return;
    if (!packet.reply) this.#told += 1;
    const words: PacketWords = {
      number: this.#packets,
      answers: answers ?? null,
      nameOf: this.options.nameOf,
      noRoute: end.kind === 'lost' ? await this.options.noRoute(packet) : undefined,
    };
    const item = packetItem(packet, before, this.listing, words);
    const at = new Date(Date.now() - (performance.now() - packet.at));
    this.options.tell({ kind: 'packet', packet: item }, at);
  }

  #begin(flow: string): void {
    this.#packets += 1;
    this.#flows.delete(flow);
    this.#flows.set(flow, this.#packets);
    const [oldest] = this.#flows.keys();
    if (this.#flows.size > mostFlows && oldest !== undefined) this.#flows.delete(oldest);
  }

  /** Reads all rules again if any has changed: with an old listing, a handle could be taken for another rule. */
  async #readAgain(): Promise<void> {
    if (this.table.generation() === this.listing.generation) return;
    const rest = this.#read + listingMs - performance.now();
    const { end } = this.options;
    if (rest > 0) await sleep(rest, undefined, { signal: end }).catch(() => undefined);
    this.listing = await readListing(() => this.table.generation());
    this.#read = performance.now();
  }

  async summary(reason: SummaryItem['reason'], before: KernelCounters): Promise<SummaryItem> {
    const [after, matched] = await Promise.all([readKernelCounters(), this.table.matched()]);
    const { legacy, warnings } = this.listing;
    const shown = legacy.slice(0, 6).join(', ') + (legacy.length > 6 ? ', …' : '');
    return {
      packets: this.#packets,
      answers: this.#answers,
      dropped: this.#dropped,
      matched: matched.asked,
      reason,
      losses: lossesBetween(before, after),
      unseen: [
        ...warnings,
        ...(legacy.length === 0
          ? []
          : [
              `rules of iptables-legacy (${shown}): the kernel tells of them only its log; what they drop is shown as lost at their hook`,
            ]),
      ],
    };
  }
}
