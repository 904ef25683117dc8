/**
 * Reads limits that an operator has set from a record: as strictly as from a request, since the file may have been
 * edited.
 */
import {
  burstBounds,
  directions,
  type GivenLimit,
  type GivenLimits,
  rateBounds,
} from '../../core/network/limits.js';
import { objectField, unreadableField } from '../../core/record-fields.js';

/** @throws {DriverError} `record-unreadable` */
export function decodeLimits(value: unknown): GivenLimits {
  const fields = objectField(value, 'limits');
  const limits: { down?: GivenLimit; up?: GivenLimit } = {};
  for (const direction of directions) {
    if (fields[direction] !== undefined) limits[direction] = decodeLimit(fields[direction]);
  }
  return limits;
}

function decodeLimit(value: unknown): GivenLimit {
  const { rate, burst } = objectField(value, 'limits');
  if (rate !== undefined && rate !== 'none' && !isWithin(rate, rateBounds)) {
    throw unreadableField('limits', 'a rate');
  }
  if (burst !== undefined && !isWithin(burst, burstBounds)) {
    throw unreadableField('limits', 'a number of bytes');
  }
  return { ...(rate === undefined ? {} : { rate }), ...(burst === undefined ? {} : { burst }) };
}

function isWithin(value: unknown, { min, max }: { min: number; max: number }): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}
