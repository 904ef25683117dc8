/**
 * The queue in which packets wait for a token bucket. In a fair queue (fq_codel) each flow has its own, and flows that send
 * little have their turn first: so a ping waits for one packet of a transfer, and not for all that have come before.
 */

/** Where packets wait for a bucket; `fifo`: in tbf's own, since the kernel has no fq_codel; `unknown`: not tried yet. */
export type WaitingIn = 'fq_codel' | 'fifo' | 'unknown';

/** What the kernel is told of an fq_codel. It slows down a sender whose packets wait too long, by drops or by ECN. */
export interface FairQueue {
  /** Microseconds: if all packets of a flow wait for longer during {@link intervalUs}, its sender is slowed down. */
  readonly targetUs: number;
  /** Microseconds in which a sender should have noticed that it is to be slower. */
  readonly intervalUs: number;
  /** Packets that may wait. */
  readonly limit: number;
  /** Bytes of the kernel's memory that these packets may take. */
  readonly memory: number;
}

/** The kernel's defaults (tc-fq_codel(8)). For slow rates the times are too short, and the memory is too large. */
const usual = { targetUs: 5_000, intervalUs: 100_000, limit: 10_240, memory: 32 * 1024 * 1024 };
const smallMemory = 4 * 1024 * 1024;
/** A full frame of Ethernet, in bytes. */
const frame = 1_514;
/** Seconds of the rate that the memory has room for. The kernel needs up to twice the bytes of a packet. */
const roomS = 0.2;

/**
 * The queue for a rate, in bits per second. Up to 2.4 Mbit/s a full frame takes longer than the usual target, so that
 * packets would be dropped although nothing waits before them: there the target is the time of a frame, and the interval
 * grows with it, as by sqm-scripts' adapt_target_to_slow_link. A sender that does not slow down can hold 4 MiB of the
 * kernel's memory, or 0.2 s of a fast rate, and no more.
 */
export function queueFor(rate: number): FairQueue {
  const targetUs = Math.max(usual.targetUs, Math.ceil((frame * 8 * 1e6) / rate));
  const memory = Math.ceil((rate / 8) * roomS);
  return {
    targetUs,
    intervalUs: usual.intervalUs + targetUs - usual.targetUs,
    limit: usual.limit,
    memory: Math.min(usual.memory, Math.max(smallMemory, memory)),
  };
}

/** Nanoseconds of the unit in which the kernel keeps the times of an fq_codel. */
const tickNs = 1_024;
/** The microseconds that the kernel tells of a time that was given to it. */
export const keptUs = (us: number): number =>
  Math.floor((Math.floor((us * 1_000) / tickNs) * tickNs) / 1_000);

/** Whether the kernel has this queue, whose times it has rounded. */
export function isSameQueue(wanted: FairQueue, observed: FairQueue | undefined): boolean {
  return (
    observed !== undefined &&
    observed.targetUs === keptUs(wanted.targetUs) &&
    observed.intervalUs === keptUs(wanted.intervalUs) &&
    observed.limit === wanted.limit &&
    observed.memory === wanted.memory
  );
}
