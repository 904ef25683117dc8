/** The kinds of value that a setting can have: what is accepted, and how it is read. */
import type { IpAddress } from '../core/address.js';
import { addressBeforePort, parseHostIp, parseIp } from '../core/address.js';
import { parseBoolean } from '../core/options/option-reader.js';
import { hostAndPort, type Port, parsePort } from '../core/ports/port.js';
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

/** An address of the host, and a TCP port there. */
export interface ListenPlace {
  readonly address: IpAddress;
  readonly port: Port;
}

export const listenPlace: ValueKind<ListenPlace | undefined> = {
  accepts: 'an address and a port, such as 127.0.0.1:9469 or [::1]:9469',
  placeholder: 'IP:PORT',
  parse: (text) => {
    const [, before = '', number = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
    const address = parseIp(addressBeforePort(before) ?? '');
    const port = parsePort(Number(number));
    return address === undefined || port === undefined ? undefined : { address, port };
  },
  show: (place) => (place === undefined ? '' : hostAndPort(place.address, place.port)),
};

export const fwMark: ValueKind<FwMark | undefined> = {
  accepts: 'a mark or MARK/MASK, decimal or 0x…, of 32 bits',
  placeholder: 'MARK',
  parse: parseFwMark,
  show: (mark) => mark ?? '',
};

/** The name of a template of systemd units, up to and with its `@` (systemd.unit(5)). */
export type UnitTemplate = string & { readonly brand: 'UnitTemplate' };

export const unitTemplate: ValueKind<UnitTemplate | 'none'> = {
  accepts: 'the name of a template of systemd units up to its @, or none',
  placeholder: 'NAME@',
  // A name, never an option of systemctl.
  parse: (text) =>
    text === 'none' || /^[A-Za-z0-9_:.][A-Za-z0-9_:.-]{0,199}@$/.test(text)
      ? (text as UnitTemplate | 'none')
      : undefined,
  show: (template) => template,
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

/** As {@link seconds}, or `off`. */
export function secondsOrOff(least: number, most: number): ValueKind<number | 'off'> {
  const number = seconds(least, most);
  return {
    accepts: `${number.accepts}, or off`,
    placeholder: 'SECONDS|off',
    words: ['off'],
    parse: (text) => (text === 'off' ? text : number.parse(text)),
    show: (value) => (value === 'off' ? value : number.show(value)),
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

/** Without the leading slash, `none` cannot be a path. */
export const socketPathOrNone: ValueKind<string> = {
  accepts: `${socketPath.accepts}, or none`,
  placeholder: 'PATH|none',
  words: ['none'],
  parse: (text) => (text === 'none' ? text : socketPath.parse(text)),
  show: String,
};

/** Short enough that `/proxy.sock`, `/proxy/give` and `/admin.sock` in it are still paths of unix sockets. */
export const socketFolder = path(
  'a folder',
  'DIR',
  maxSocketPath - Buffer.byteLength('/proxy.sock'),
);
