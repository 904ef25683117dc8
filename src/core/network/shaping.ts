/**
 * Queueing disciplines that hold a container to its limits, and the steps from what the host has to what it
 * should have.
 *
 * What a container receives leaves the host by the host's end of its veth pair, where a token bucket (tbf) is the
 * root. What it sends comes in there, where the kernel cannot queue: a filter leads it to an ifb, a device that lets it
 * pass a token bucket of its own, and then go on as if it had just come in. What waits for a bucket waits in a fair queue
 * (fq_codel) if the kernel has that, else in the bucket's own fifo.
 */
import type { InterfaceName } from '../names.js';
import { burstText, type RateLimit, rateText, type TrafficLimits } from './limits.js';
import { type FairQueue, isSameQueue, queueFor, type WaitingIn } from './queues.js';

/** The host's end of a veth pair, and the ifb through which passes what comes in by it. */
export interface ShapedLink {
  readonly host: InterfaceName;
  readonly ifb: InterfaceName;
}

const vethPrefix = 'veth';
const ifbPrefix = 'tsi';

/** The ifb of a host's end is called `tsi` and the digits of that: `veth01234ab` has `tsi01234ab`. */
export function shapedLink(host: InterfaceName): ShapedLink {
  return { host, ifb: `${ifbPrefix}${host.slice(vethPrefix.length)}` as InterfaceName };
}

/** The name of the host's end that has this ifb, or the name itself if no ifb of ours is called so. */
export function hostOfIfb(name: string): string {
  return name.startsWith(ifbPrefix) ? vethPrefix + name.slice(ifbPrefix.length) : name;
}

/** What the kernel is told of a token bucket (tbf). */
export interface Bucket extends RateLimit {
  /** Bytes that may wait; what comes when so much waits is dropped. */
  readonly limit: number;
}

/** The longest wait in the fifo of a bucket: what would wait longer is dropped. */
const queueMs = 20;
/** Bytes of that fifo, at least. A TCP connection whose packets are dropped when ten wait does not reach the rate. */
const smallestQueue = 32 * 1024;

/**
 * The bucket for a limit. Its fifo holds at least the burst, since that much may come as one packet (GSO). Beyond the
 * least size it is not longer than {@link queueMs}: TCP adapts to what is dropped, and in a long queue every answer
 * would wait.
 */
export function bucketOf({ rate, burst }: RateLimit): Bucket {
  const bytes = Math.ceil((rate / 8) * (queueMs / 1_000));
  return { rate, burst, limit: Math.max(smallestQueue, burst, bytes) };
}

export interface ObservedBucket extends Bucket {
  /** undefined: something else is in the bucket; or nothing is, and then no packet passes the bucket. */
  readonly queue: FairQueue | undefined;
}

export interface ObservedShaping {
  /** The token bucket at the root of the host's end; undefined: another qdisc is there, or one that is not ours. */
  readonly down: ObservedBucket | undefined;
  /** The ifb and the token bucket at its root; undefined: there is no such device. */
  readonly ifb: { readonly up: boolean; readonly bucket: ObservedBucket | undefined } | undefined;
  /** true: the host's end has a clsact, on which filters of what comes in can be put. */
  readonly hook: boolean;
  /** Where our filter leads what comes in; `astray`: to another device than the ifb, or to one that is gone. */
  readonly redirect: 'none' | 'ifb' | 'astray';
}

/** What a link has that was just made. */
export const unshaped: ObservedShaping = {
  down: undefined,
  ifb: undefined,
  hook: false,
  redirect: 'none',
};

export type ShapingStep = { readonly link: ShapedLink } & (
  | { readonly kind: 'set-down' | 'set-up'; readonly bucket: Bucket }
  | { readonly kind: 'set-down-queue' | 'set-up-queue'; readonly queue: FairQueue }
  | {
      readonly kind:
        | 'remove-down'
        | 'create-ifb'
        | 'remove-ifb'
        | 'ifb-up'
        | 'add-hook'
        | 'add-redirect'
        | 'remove-redirect';
    }
);

/**
 * The steps from what the host has to what the limits need, in the order in which they have to be made. The filter is
 * made last and removed first: while it leads to a device that is down or gone, the container can send nothing at all.
 * The clsact stays when the limit goes, since others may have put filters on it.
 *
 * @param waitingIn where packets wait for a bucket; if `unknown`, a fair queue is planned: making it shows what is so
 */
export function planShaping(
  link: ShapedLink,
  { down, up }: TrafficLimits,
  observed: ObservedShaping,
  waitingIn: WaitingIn,
): ShapingStep[] {
  const steps: ShapingStep[] = [];
  const { ifb, redirect } = observed;
  const stays = up !== undefined && redirect === 'ifb';
  if (redirect !== 'none' && !stays) steps.push({ kind: 'remove-redirect', link });
  if (down !== undefined) {
    const bucket = bucketOf(down);
    const queue = missingQueue(down, observed.down, waitingIn);
    if (!isSame(bucket, observed.down)) steps.push({ kind: 'set-down', link, bucket });
    if (queue !== undefined) steps.push({ kind: 'set-down-queue', link, queue });
  } else if (observed.down !== undefined) steps.push({ kind: 'remove-down', link });
  if (up === undefined) {
    if (ifb !== undefined) steps.push({ kind: 'remove-ifb', link });
    return steps;
  }
  const bucket = bucketOf(up);
  if (ifb === undefined) steps.push({ kind: 'create-ifb', link });
  const queue = missingQueue(up, ifb?.bucket, waitingIn);
  if (!isSame(bucket, ifb?.bucket)) steps.push({ kind: 'set-up', link, bucket });
  if (queue !== undefined) steps.push({ kind: 'set-up-queue', link, queue });
  if (ifb?.up !== true) steps.push({ kind: 'ifb-up', link });
  if (!observed.hook) steps.push({ kind: 'add-hook', link });
  if (!stays) steps.push({ kind: 'add-redirect', link });
  return steps;
}

/**
 * The queue that has to be put into the bucket, or changed there; undefined if it is as it should be, or the kernel has
 * no fair queues. A bucket that changes in place keeps its queue.
 */
function missingQueue(
  { rate }: RateLimit,
  observed: ObservedBucket | undefined,
  waitingIn: WaitingIn,
): FairQueue | undefined {
  const queue = queueFor(rate);
  return waitingIn === 'fifo' || isSameQueue(queue, observed?.queue) ? undefined : queue;
}

/** The kernel keeps a bucket as the time in which it fills, in units of 64 ns. */
const tickNs = 64;

/** Whether the kernel has this bucket. It rounds bursts, so that they are compared with a tolerance. */
function isSame(wanted: Bucket, observed: Bucket | undefined): boolean {
  if (observed === undefined) return false;
  const perTick = (wanted.rate / 8 / 1e9) * tickNs;
  return (
    Math.floor(observed.rate / 8) === Math.floor(wanted.rate / 8) &&
    observed.limit === wanted.limit &&
    Math.abs(observed.burst - wanted.burst) <= 2 * perTick + wanted.burst / 10_000
  );
}

/** For logs and `--dry-run`: `limit vethabc to 10mbit down (burst 32k)`. */
export function describeShapingStep(step: ShapingStep): string {
  const { host, ifb } = step.link;
  switch (step.kind) {
    case 'set-down':
    case 'set-up': {
      const { rate, burst } = step.bucket;
      const direction = step.kind === 'set-down' ? 'down' : 'up';
      return `limit ${host} to ${rateText(rate)} ${direction} (burst ${burstText(burst)})`;
    }
    case 'set-down-queue':
      return `queue fairly what is limited on ${host} down (fq_codel)`;
    case 'set-up-queue':
      return `queue fairly what is limited on ${host} up (fq_codel)`;
    case 'remove-down':
      return `end the limit of ${host} down`;
    case 'create-ifb':
      return `create ${ifb} for what comes in by ${host}`;
    case 'remove-ifb':
      return `delete ${ifb}`;
    case 'ifb-up':
      return `set ${ifb} up`;
    case 'add-hook':
      return `add clsact to ${host}`;
    case 'add-redirect':
      return `lead what comes in by ${host} to ${ifb}`;
    case 'remove-redirect':
      return `lead what comes in by ${host} no more to ${ifb}`;
  }
}
