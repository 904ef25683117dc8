/** Fields of a record, which is JSON from a file: each has the type that is expected, or the record is unreadable. */
import { DriverError } from './errors.js';

export function objectField(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw unreadableField(name, 'an object');
  }
  return value as Readonly<Record<string, unknown>>;
}

export function listField(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw unreadableField(name, 'a list');
  return value;
}

export function textField(value: unknown, name: string): string {
  if (typeof value !== 'string') throw unreadableField(name, 'a string');
  return value;
}

/** The error of a field that has another type than `expected`, or another value. */
export function unreadableField(name: string, expected: string): DriverError {
  return new DriverError('record-unreadable', `field ${name} should be ${expected}`);
}
