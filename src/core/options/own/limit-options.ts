/** Options that limit traffic. A network (for each of its containers) and an endpoint have the same ones. */
import {
  burstReason,
  burstText,
  directions,
  frameBytes,
  type GivenLimit,
  type GivenLimits,
  type LimitField,
  largestBurst,
  mergeGiven,
  parseBurst,
  parseRate,
  rateReason,
  rateText,
} from '../../network/limits.js';
import type { Problems } from '../../problems.js';
import { type OptionMap, OptionReader } from '../option-reader.js';

export const limitOptions = {
  rateDown: 'tsbridge.rate_down',
  rateUp: 'tsbridge.rate_up',
  burstDown: 'tsbridge.burst_down',
  burstUp: 'tsbridge.burst_up',
} as const;

const byDirection = {
  down: { rate: limitOptions.rateDown, burst: limitOptions.burstDown },
  up: { rate: limitOptions.rateUp, burst: limitOptions.burstUp },
} as const;

/** The value that each option gives, by the name of the option. */
export const limitFields: Readonly<Record<string, LimitField>> = {
  [limitOptions.rateDown]: { direction: 'down', field: 'rate' },
  [limitOptions.rateUp]: { direction: 'up', field: 'rate' },
  [limitOptions.burstDown]: { direction: 'down', field: 'burst' },
  [limitOptions.burstUp]: { direction: 'up', field: 'burst' },
};

/** @returns the limits that the options give; undefined if none of them is about limits */
export function readLimits(options: OptionMap, problems: Problems): GivenLimits | undefined {
  const read = new OptionReader(options, problems);
  const limits: { down?: GivenLimit; up?: GivenLimit } = {};
  for (const direction of directions) {
    const names = byDirection[direction];
    const rate = read.parsed(names.rate, parseRate, rateReason);
    const burst = read.parsed(names.burst, parseBurst, burstReason);
    if (rate === undefined && burst === undefined) continue;
    limits[direction] = {
      ...(rate === undefined ? {} : { rate }),
      ...(burst === undefined ? {} : { burst }),
    };
  }
  return Object.keys(limits).length > 0 ? limits : undefined;
}

/**
 * Adds a problem for each burst that has no rate, takes more than a minute to fill, or is smaller than a frame.
 *
 * @param general the limits of more general places, which apply where `given` has none
 * @param mtu of the network, in bytes; undefined: the kernel's 1500, which every burst allows
 */
export function refuseLimits(
  given: GivenLimits,
  general: GivenLimits,
  mtu: number | undefined,
  problems: Problems,
): void {
  const all = mergeGiven(general, given);
  for (const direction of directions) {
    const burst = given[direction]?.burst;
    const { rate = 'none' } = all[direction] ?? {};
    if (burst === undefined) continue;
    const names = byDirection[direction];
    const what = `${names.burst}=${burstText(burst)}`;
    if (rate === 'none') {
      problems.add(`${what} needs a rate: give ${names.rate}, or leave it out`);
    } else if (burst > largestBurst(rate)) {
      const most = burstText(largestBurst(rate));
      problems.add(`${what} is more than a minute of ${rateText(rate)}: use at most ${most}`);
    }
    if (mtu !== undefined && burst < frameBytes(mtu)) {
      problems.add(
        `${what} is less than a frame: with an MTU of ${mtu} use at least ${frameBytes(mtu)}, or leave it out`,
      );
    }
  }
}
