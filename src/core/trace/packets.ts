/** Makes traced packets, each with the rules that it met in order, of the kernel's reports, which come mixed. */
import type { Hook } from '../explain/path/hooks.js';
import { inner, type Passage, passageOf, tracePrefix } from './chains.js';
import type { PacketHeaders, TraceEvent } from './event.js';

/** A report of a rule or a chain's end that is not of the trace's own table, and how far the packet had come before it. */
export interface ReportedStep {
  readonly passed: Passage;
  readonly event: TraceEvent;
}

export interface ReportedPacket {
  /** true: it answers a packet that the trace is for. */
  readonly reply: boolean;
  /** Headers of the packet as it came. */
  readonly first: PacketHeaders | undefined;
  /** Headers as they were in the last report, so after translation. */
  readonly last: PacketHeaders | undefined;
  /** Indexes of the interfaces by which it came and leaves. */
  readonly in: number | undefined;
  readonly out: number | undefined;
  readonly steps: readonly ReportedStep[];
  /** How far the packet came, by the last report of a chain of the trace's own table. */
  readonly passed: Passage;
  /** Milliseconds, by the clock of {@link TracedPackets.add}: when the first report was read. */
  readonly at: number;
}

/** Milliseconds without a report after which a packet has ended: the kernel needs microseconds, the reader may be late. */
export const quietMs = 150;

interface Open {
  reply: boolean;
  first: PacketHeaders | undefined;
  last: PacketHeaders | undefined;
  in: number | undefined;
  out: number | undefined;
  steps: ReportedStep[];
  passed: Passage;
  at: number;
  heard: number;
}

export class TracedPackets {
  readonly #open = new Map<number, Open>();
  /** Packets that ended and that {@link ended} has not answered with yet. */
  readonly #over: ReportedPacket[] = [];

  /** @param own the name of this trace's table: packets that the table of another trace marked are left out */
  constructor(private readonly own: string) {}

  /** Takes the next report. */
  add(event: TraceEvent, now: number): void {
    const isOwn = event.table === this.own && event.family === 'inet';
    // A report of the end of the chain is like this one, but without a handle.
    const marks = isOwn && event.handle !== undefined;
    if (marks && event.chain === inner.marked) this.#begin(event, false, now);
    else if (marks && event.chain === inner.answers) this.#begin(event, true, now);
    const packet = this.#open.get(event.id) ?? this.#renumbered(event);
    // After a drop the kernel may give the number to another packet, which this trace may not be for.
    if (packet === undefined || packet.steps.at(-1)?.event.verdict === 'drop') return;
    packet.heard = now;
    packet.last = event.headers ?? packet.last;
    packet.out = event.out ?? packet.out;
    if (isOwn) packet.passed = passageOf(event.chain) ?? packet.passed;
    else if (!event.table.startsWith(tracePrefix)) {
      packet.steps.push({ passed: packet.passed, event });
    }
  }

  /** Packets without a report for {@link quietMs}, in the order of their beginning; with `all`, those that go on as well. */
  ended(now: number, all = false): ReportedPacket[] {
    for (const [id, { heard }] of this.#open) if (all || now - heard >= quietMs) this.#close(id);
    return this.#over.splice(0).sort((a, b) => a.at - b.at);
  }

  /**
   * Finds the packet whose number the kernel has changed. With br_netfilter the packet meets the rules of PREROUTING as a
   * frame of the bridge's port, and all later ones as a packet of the bridge; its number depends on the interface.
   */
  #renumbered(event: TraceEvent): Open | undefined {
    const flow = JSON.stringify(event.headers);
    // The kernel reports headers only with the first rule of each base chain.
    if (event.headers === undefined) return undefined;
    for (const [id, packet] of this.#open) {
      const { passed, last } = packet;
      const waits = passed.hook === 'PREROUTING' && passed.at === 'end';
      if (!waits || JSON.stringify(last) !== flow) continue;
      this.#open.delete(id);
      this.#open.set(event.id, packet);
      return packet;
    }
    return undefined;
  }

  #begin(event: TraceEvent, reply: boolean, now: number): void {
    const known = this.#open.get(event.id);
    // A packet that fits the trace and also answers another one is marked twice, at the same hook.
    if (reply && known !== undefined && isEarly(known)) {
      known.reply = true;
      return;
    }
    this.#close(event.id);
    const hook: Hook = event.out === undefined ? 'PREROUTING' : 'OUTPUT';
    this.#open.set(event.id, {
      ...{ reply, first: event.headers, last: event.headers, in: event.in, out: event.out },
      ...{ steps: [], passed: { hook, at: 'start' }, at: now, heard: now },
    });
  }

  #close(id: number): void {
    const packet = this.#open.get(id);
    if (packet === undefined) return;
    this.#open.delete(id);
    const { heard: _heard, ...reported } = packet;
    this.#over.push(reported);
  }
}

/** Whether the packet is still in the chains of the hook at which its trace began. */
function isEarly({ passed, steps }: Open): boolean {
  const { hook, at } = passed;
  return at === 'start' && steps.every((step) => step.passed.hook === hook);
}
