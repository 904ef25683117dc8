/** Reading the values of a rule's options: numbers, ranges, masks. */
import {
  addressBytes,
  type Cidr,
  contains,
  type Family,
  type IpAddress,
  parseCidr,
  parseIp,
} from '../../address.js';
import { negated, type Truth, unknown } from '../truth.js';
import type { RuleOption } from './rule-table.js';

/**
 * The entry of the table under a word of a rule. undefined also for a word by which every JavaScript object inherits
 * something, such as `constructor`.
 */
export function entryOf<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}

/** The option as it stands in the rule, for a sentence. */
export function optionText({ flag, negated: not, values }: RuleOption): string {
  return [...(not ? ['!'] : []), flag, ...values].join(' ');
}

/** What an option says that nobody here knows: quoted, never guessed. */
export function notUnderstood(option: RuleOption): Truth {
  return unknown(`“${optionText(option)}” holds`);
}

/** `truth`, or its contrary if the option has a `!`. */
export function asWritten(option: RuleOption, truth: Truth): Truth {
  return option.negated ? negated(truth) : truth;
}

/** Decimal, or hexadecimal with `0x`; undefined for anything else, and for what does not fit into 32 bits. */
export function readNumber(text: string): number | undefined {
  if (!/^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text)) return undefined;
  const number = Number(text);
  return number <= 0xffffffff ? number : undefined;
}

/** `0x10/0xff` or `0x10`: a value and the bits that count; without a mask all do. */
export function readMasked(text: string): { value: number; mask: number } | undefined {
  const [first = '', second] = text.split('/');
  const value = readNumber(first);
  const mask = second === undefined ? 0xffffffff : readNumber(second);
  return value === undefined || mask === undefined ? undefined : { value, mask };
}

/** Bits of two numbers of 32 bits; JavaScript's own operators answer with signed ones. */
export const bits = {
  and: (a: number, b: number) => (a & b) >>> 0,
  or: (a: number, b: number) => (a | b) >>> 0,
  xor: (a: number, b: number) => (a ^ b) >>> 0,
  /** `value` without the bits of `mask`. */
  without: (value: number, mask: number) => (value & ~mask) >>> 0,
};

/** `80`, `80:90`, `:90`, `80:`. */
export function readRange(text: string, most: number): { first: number; last: number } | undefined {
  const parts = /^(\d*)(:?)(\d*)$/.exec(text);
  if (parts === null || text === '' || text === ':') return undefined;
  const [, low = '', colon = '', high = ''] = parts;
  const first = low === '' ? 0 : Number(low);
  if (colon === '') return { first, last: first };
  return { first, last: high === '' ? most : Number(high) };
}

/** Whether `value` is in a list of ranges, `80,443,8000:8080`; undefined if one of them is not understood. */
export function inRanges(text: string, value: number, most: number): boolean | undefined {
  const ranges = text.split(',').map((part) => readRange(part, most));
  if (ranges.includes(undefined)) return undefined;
  return ranges.some((range) => range !== undefined && range.first <= value && value <= range.last);
}

/** `192.0.2.0/24`, `192.0.2.1`, and a mask in dots, whose bits need not be in one row. */
export function inNetwork(text: string, family: Family, address: IpAddress): boolean | undefined {
  const cidr = parseCidr(text.includes('/') ? text : `${text}/${family === 4 ? 32 : 128}`);
  if (cidr !== undefined) return inCidr(cidr, address);
  const [base = '', mask = ''] = text.split('/');
  const [network, kept] = [parseIp(base), parseIp(mask)];
  if (network === undefined || kept === undefined) return undefined;
  const [wanted, counted, had] = [network, kept, address].map(addressBytes);
  return counted?.every(
    (byte, index) => (byte & (wanted?.[index] ?? 0)) === (byte & (had?.[index] ?? 0)),
  );
}

function inCidr(cidr: Cidr, address: IpAddress): boolean {
  return cidr.prefixLength === 0 || contains(cidr, address);
}

/** `192.0.2.1-192.0.2.9`, or one address. */
export function inAddressRange(text: string, address: IpAddress): boolean | undefined {
  const [low = '', high = low] = text.split('-');
  const [first, last] = [parseIp(low), parseIp(high)];
  if (first === undefined || last === undefined) return undefined;
  const [from, to, value] = [first, last, address].map((each) => Buffer.from(addressBytes(each)));
  if (from === undefined || to === undefined || value === undefined) return undefined;
  return Buffer.compare(from, value) <= 0 && Buffer.compare(value, to) <= 0;
}
