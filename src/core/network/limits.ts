/**
 * Limits of traffic: how fast a container may receive and send. Reads their texts and combines what applies to one
 * endpoint.
 */

/** Bounds of a rate, in bits per second. */
export const rateBounds = { min: 64_000, max: 400_000_000_000 } as const;
/**
 * Bounds of a burst that is given, in bytes: the least has room for a frame of the usual MTU. Packets (GSO) that are larger
 * than the burst are taken apart by the bucket.
 */
export const burstBounds = { min: 2 * 1024, max: 64 * 1024 * 1024 } as const;

/** A burst that is not given is what passes in this time: the kernel's timers may come no more often. */
const burstMs = 10;
/**
 * Bytes of a burst that is not given, at least: four full frames. No more, since a bucket passes a large packet (GSO) in one
 * piece if that is no larger than the burst, and everything else waits meanwhile, for 26 ms behind 32 KiB at 10 Mbit/s.
 */
const smallestDefault = 6 * 1024;
const ethernetHeader = 14;
/**
 * Seconds in which a bucket has to fill, at most. The kernel keeps this time in 32 bits of 64 ns each, so up to 275 s.
 */
const longestFill = 60;

export const directions = ['down', 'up'] as const;
/** As the container sees it: `down` is what it receives, `up` what it sends. */
export type Direction = (typeof directions)[number];

/** A limit of one direction. */
export interface RateLimit {
  /** Bits per second, counted as frames without preamble and checksum: with the 14 bytes of Ethernet. */
  readonly rate: number;
  /** Bytes that may pass at once after a pause. */
  readonly burst: number;
}

/** What an endpoint is held to; a direction that is absent has no limit. */
export type TrafficLimits = { readonly [Each in Direction]?: RateLimit };

/**
 * What one place (network, endpoint, operator) gives for a direction. An absent field leaves the value of a more
 * general place.
 */
export interface GivenLimit {
  /** Bits per second; `none` takes away the limit of a more general place. */
  readonly rate?: number | 'none';
  /** Bytes. */
  readonly burst?: number;
}

/** What a network, an endpoint or an operator asks for. */
export type GivenLimits = { readonly [Each in Direction]?: GivenLimit };

/**
 * The limits of an endpoint.
 *
 * @param given from the most general place to the most particular one, which counts. A burst applies to the rates of
 *   its own place and of more general ones, never to a rate of a more particular place
 * @param mtu of the network, in bytes
 */
export function limitsOf(given: readonly GivenLimits[], mtu?: number): TrafficLimits {
  const limits: { [Each in Direction]?: RateLimit } = {};
  for (const direction of directions) {
    let rate: number | 'none' = 'none';
    let burst: number | undefined;
    for (const { [direction]: each } of given) {
      if (each?.rate !== undefined) [rate, burst] = [each.rate, undefined];
      burst = each?.burst ?? burst;
    }
    if (rate === 'none') continue;
    const wanted = burst ?? defaultBurst(rate, mtu);
    limits[direction] = { rate, burst: Math.min(wanted, largestBurst(rate)) };
  }
  return limits;
}

/** What passes in {@link burstMs}, but no less than a frame and {@link smallestDefault}. */
function defaultBurst(rate: number, mtu = 0): number {
  const bytes = Math.ceil((rate / 8) * (burstMs / 1_000));
  return Math.min(burstBounds.max, Math.max(smallestDefault, frameBytes(mtu), bytes));
}

/** The largest burst that fills within a minute at this rate: a larger one is hardly a limit. */
export function largestBurst(rate: number): number {
  return Math.min(burstBounds.max, Math.floor((rate / 8) * longestFill));
}

/** The bytes of the largest frame. A bucket that holds less never lets it pass. */
export function frameBytes(mtu: number): number {
  return mtu + ethernetHeader;
}

/** Both together. Where they differ `later` counts: it is of a more particular place, or was given afterwards. */
export function mergeGiven(earlier: GivenLimits, later: GivenLimits): GivenLimits {
  const merged: { [Each in Direction]?: GivenLimit } = {};
  for (const direction of directions) {
    const before = earlier[direction];
    const after = later[direction];
    // A new rate takes the earlier burst away, as in `limitsOf`.
    const each = after?.rate === undefined ? { ...before, ...after } : after;
    if (Object.keys(each).length > 0) merged[direction] = each;
  }
  return merged;
}

/** Names one value of limits: the rate or the burst of one direction. */
export interface LimitField {
  readonly direction: Direction;
  readonly field: keyof GivenLimit;
}

/**
 * The limits without these values, so that those of more general places apply again. A burst goes with the rate that it
 * was given for.
 */
export function withoutGiven(given: GivenLimits, fields: readonly LimitField[]): GivenLimits {
  const left: { [Each in Direction]?: GivenLimit } = { ...given };
  for (const { direction, field } of fields) {
    const { rate } = left[direction] ?? {};
    if (field === 'rate' || rate === undefined) delete left[direction];
    else left[direction] = { rate };
  }
  return left;
}

const rateUnits: readonly (readonly [unit: string, bits: number])[] = [
  ['gbit', 1_000_000_000],
  ['mbit', 1_000_000],
  ['kbit', 1_000],
  ['bit', 1],
];

/** Why {@link parseRate} refuses a text, for the person who wrote it. */
export const rateReason =
  'not a rate: use none, or a number with its unit: bit, kbit, mbit or gbit per second, ' +
  'from 64kbit to 400gbit';

/**
 * Bits per second of `10mbit` or `1.5gbit`, or `none`. A number without unit is refused: some read it as bits, some
 * as bytes.
 */
export function parseRate(text: string): number | 'none' | undefined {
  if (text === 'none') return text;
  const [, number, unit] = /^(\d{1,12}(?:\.\d{1,6})?)(bit|kbit|mbit|gbit)$/.exec(text) ?? [];
  const bits = rateUnits.find(([name]) => name === unit)?.[1];
  if (number === undefined || bits === undefined) return undefined;
  const rate = Math.round(Number(number) * bits);
  return rate >= rateBounds.min && rate <= rateBounds.max ? rate : undefined;
}

/** Why {@link parseBurst} refuses a text, for the person who wrote it. */
export const burstReason =
  'not a size: use a number of bytes, or of KiB or MiB with k or m after it, from 2k to 64m';

/** Bytes of `64k`, `2m` or `65536`. */
export function parseBurst(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,9})([km]?)$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const bytes = Number(number) * (unit === 'm' ? 1024 * 1024 : unit === 'k' ? 1024 : 1);
  return bytes >= burstBounds.min && bytes <= burstBounds.max ? bytes : undefined;
}

/** `10mbit`: as {@link parseRate} reads it. */
export function rateText(rate: number): string {
  const [unit, bits] = rateUnits.find(([, each]) => rate >= each) ?? ['bit', 1];
  return `${Number((rate / bits).toFixed(6))}${unit}`;
}

/** `64k`: as {@link parseBurst} reads it. */
export function burstText(bytes: number): string {
  const mebi = 1024 * 1024;
  if (bytes % mebi === 0) return `${bytes / mebi}m`;
  return bytes % 1024 === 0 ? `${bytes / 1024}k` : String(bytes);
}

/** `10mbit/-`: down and up; `-`: none. */
export function limitsText({
  down,
  up,
}: { readonly [Each in Direction]: RateLimit | null }): string {
  if (down === null && up === null) return '-';
  return [down, up].map((limit) => (limit === null ? '-' : rateText(limit.rate))).join('/');
}
