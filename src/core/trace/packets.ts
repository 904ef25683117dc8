/** Makes traced packets, each with the rules that it met in order, of the kernel's reports, which come mixed. */
import type { Hook } from '../explain/hooks.js';
import { inner, type Passage, passageOf, tracePrefix } from './chains.js';
import type { PacketHeaders, TraceEvent } from './event.js';

/** A report of a rule or a chain's end that is not of the trace's own table, and the hook at which the packet met it. */
export interface TracedStep {
  readonly hook: Hook;
  readonly event: TraceEvent;
}

/** What became of a packet, as far as the kernel reported it. */
export type TracedEnd =
  | { readonly kind: 'dropped'; readonly step: TracedStep }
  /** A rule handed the packet to a program, which decides. */
  | { readonly kind: 'queued'; readonly step: TracedStep }
  /** Every rule at hook INPUT let the packet through: it is for this host. */
  | { readonly kind: 'host' }
  /** Every rule at hook POSTROUTING let the packet through: it leaves the host. */
  | { readonly kind: 'sent' }
  /** No rule dropped the packet, and no report came after this place. */
  | { readonly kind: 'lost'; readonly after: Passage };

export interface TracedPacket {
  /** true: it answers a packet that the trace is for. */
  readonly reply: boolean;
  /** Headers of the packet as it came. */
  readonly first: PacketHeaders | undefined;
  /** Headers as they were in the last report, so after translation. */
  readonly last: PacketHeaders | undefined;
  /** Indexes of the interfaces by which it came and leaves. */
  readonly in: number | undefined;
  readonly out: number | undefined;
  readonly steps: readonly TracedStep[];
  readonly end: TracedEnd;
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
  steps: TracedStep[];
  passed: Passage;
  decided: Extract<TracedEnd, { step: TracedStep }> | undefined;
  at: number;
  heard: number;
}

export class TracedPackets {
  readonly #open = new Map<number, Open>();
  /** Packets that ended and that {@link ended} has not answered with yet. */
  readonly #over: TracedPacket[] = [];

  /** @param own the name of this trace's table: packets that the table of another trace marked are left out */
  constructor(private readonly own: string) {}

  /** Takes the next report. */
  add(event: TraceEvent, now: number): void {
    const isOwn = event.table === this.own && event.family === 'inet';
    // A report of the end of the chain is like this one, but without a handle.
    const marks = isOwn && event.handle !== undefined;
    if (marks && event.chain === inner.marked) this.#begin(event, false, now);
    else if (marks && event.chain === inner.answers) this.#begin(event, true, now);
    const packet = this.#open.get(event.id) ?? (isOwn ? this.#renumbered(event) : undefined);
    // After a drop the kernel may give the number to another packet, which this trace may not be for.
    if (packet === undefined || packet.decided?.kind === 'dropped') return;
    packet.heard = now;
    packet.last = event.headers ?? packet.last;
    packet.out = event.out ?? packet.out;
    if (isOwn) packet.passed = passageOf(event.chain) ?? packet.passed;
    else if (!event.table.startsWith(tracePrefix)) this.#step(packet, event);
  }

  /** Packets without a report for {@link quietMs}, in the order of their beginning; with `all`, those that go on as well. */
  ended(now: number, all = false): TracedPacket[] {
    for (const [id, { heard }] of this.#open) if (all || now - heard >= quietMs) this.#close(id);
    return this.#over.splice(0).sort((a, b) => a.at - b.at);
  }

  /**
   * Finds the packet whose number the kernel has changed. With br_netfilter the packet meets the rules of PREROUTING as a
   * frame of the bridge's port, and all later ones as a packet of the bridge; its number depends on the interface.
   */
  #renumbered(event: TraceEvent): Open | undefined {
    const passage = passageOf(event.chain);
    if (passage?.at !== 'start' || event.headers === undefined) return undefined;
    const flow = JSON.stringify(event.headers);
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
      ...{ steps: [], passed: { hook, at: 'start' }, decided: undefined, at: now, heard: now },
    });
  }

  #step(packet: Open, event: TraceEvent): void {
    const { hook, at } = packet.passed;
    const step = { hook: at === 'start' ? hook : (builtIn(event) ?? hook), event };
    packet.steps.push(step);
    if (event.verdict === 'drop') packet.decided = { kind: 'dropped', step };
    else if (event.verdict === 'queue' || event.verdict === 'stolen') {
      packet.decided = { kind: 'queued', step };
    } else packet.decided = undefined;
  }

  #close(id: number): void {
    const packet = this.#open.get(id);
    if (packet === undefined) return;
    this.#open.delete(id);
    const { decided, passed, heard: _heard, ...rest } = packet;
    this.#over.push({ ...rest, end: endOf(decided, passed) });
  }
}

function isEarly({ passed, steps }: Open): boolean {
  return passed.at === 'start' && steps.every(({ hook }) => hook === passed.hook);
}

/** The hook of a built-in chain of iptables, which is called like its hook. */
function builtIn({ chain }: TraceEvent): Hook | undefined {
  return passageOf(`${chain.toLowerCase()}-start`)?.hook;
}

function endOf(decided: Open['decided'], passed: Passage): TracedEnd {
  if (decided !== undefined) return decided;
  if (passed.at === 'end' && passed.hook === 'INPUT') return { kind: 'host' };
  if (passed.at === 'end' && passed.hook === 'POSTROUTING') return { kind: 'sent' };
  return { kind: 'lost', after: passed };
}
