/** The kinds of value that a setting can have: what is accepted, and how it is read. */
import type { IpAddress } from '../core/address.js';
import { parseHostIp } from '../core/address.js';
import { parseBoolean } from '../core/options/option-reader.js';
import { type FwMark, parseFwMark } from '../core/rules/fw-mark.js';

export interface ValueKind<T> {
  /** Completes "it takes …". */
  readonly accepts: string;
  /** What stands for the value in the help, e.g. `PATH`. */
  readonly placeholder: string;
  /** What the flag means when it stands alone; undefined if it needs a value. */
  readonly alone?: string;
  /** Words that are proposed for one that is not accepted. */
  readonly words?: readonly string[];
  /** undefined if the text is not accepted. */
  parse(text: string): T | undefined;
  /** The text that `parse` would turn into this value, for the help and the documentation. */
  show(value: T): string;
}

/** What Docker's own flags take. */
export const boolean: ValueKind<boolean> = {
  accepts: 'true or false',
  placeholder: 'BOOL',
  alone: 'true',
  words: ['true', 'false'],
  parse: parseBoolean,
  show: String,
};

/** `auto`: the daemon decides by what it observes on the host. */
export const booleanOrAuto: ValueKind<boolean | 'auto'> = {
  accepts: 'auto, true or false',
  placeholder: 'auto|BOOL',
  alone: 'true',
  words: ['auto', 'true', 'false'],
  parse: (text) => (text === 'auto' ? text : parseBoolean(text)),
  show: String,
};

export function oneOf<Word extends string>(words: readonly Word[]): ValueKind<Word> {
  return {
    accepts: `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`,
    placeholder: 'WORD',
    words,
    parse: (text) => words.find((word) => word === text),
    show: (word) => word,
  };
}

export const ipAddress: ValueKind<IpAddress | undefined> = {
  accepts: 'an IPv4 or IPv6 address',
  placeholder: 'IP',
  parse: parseHostIp,
  show: (address) => address ?? '',
};

export const fwMark: ValueKind<FwMark | undefined> = {
  accepts: 'a mark or MARK/MASK, decimal or 0x…, of 32 bits',
  placeholder: 'MARK',
  parse: parseFwMark,
  show: (mark) => mark ?? '',
};

/** Written as a number of seconds, which may have decimals; the value is in milliseconds. */
export function seconds(least: number, most: number): ValueKind<number> {
  return {
    accepts: `a number of seconds from ${least} to ${most}`,
    placeholder: 'SECONDS',
    parse: (text) => {
      if (!/^\d{1,6}(\.\d{1,3})?$/.test(text)) return undefined;
      const value = Number(text);
      return value >= least && value <= most ? Math.round(value * 1000) : undefined;
    },
    show: (milliseconds) => String(milliseconds / 1000),
  };
}

/** What `sockaddr_un` holds besides the NUL at its end (unix(7)). */
const maxSocketPath = 107;
/** What the kernel takes as one path, with the NUL (PATH_MAX). */
const maxPath = 4095;

function path(what: string, placeholder: string, maxBytes: number): ValueKind<string> {
  return {
    accepts: `the absolute path of ${what}, at most ${maxBytes} bytes and without control characters`,
    placeholder,
    parse: (text) => {
      const plain = [...text].every((character) => character >= ' ' && character !== '\x7f');
      return text.startsWith('/') && plain && Buffer.byteLength(text) <= maxBytes
        ? text
        : undefined;
    },
    show: (value) => value,
  };
}

export const file = path('a file', 'FILE', maxPath);
export const folder = path('a folder', 'DIR', maxPath);
export const socketPath = path('a unix socket', 'PATH', maxSocketPath);
/** Short enough that `/proxy.sock` and `/admin.sock` in it are still paths of unix sockets. */
export const socketFolder = path(
  'a folder',
  'DIR',
  maxSocketPath - Buffer.byteLength('/proxy.sock'),
);
