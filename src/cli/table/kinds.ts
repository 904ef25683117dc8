/** What stands beside and behind flags: how it is read, and what the shells offer for it. */
import { resolve } from 'node:path';
import {
  file,
  folder,
  oneOf,
  seconds,
  socketFolder,
  socketPath,
  type ValueKind,
} from '../../config/values.js';

/** What the shells complete a value with; the names of the first three are asked of the daemon. */
export type Completion = 'container' | 'network' | 'thing' | 'file' | 'folder' | 'command';

/** One way to write a value: an example of it, and what the example means. */
export type Form = readonly [example: string, means: string];

export interface Kind<T> extends Pick<ValueKind<T>, 'accepts' | 'placeholder' | 'alone' | 'words'> {
  /** undefined if the text is not accepted. */
  parse(text: string): T | undefined;
  /** Where values have several forms: examples of each, and what they mean. */
  readonly forms?: readonly Form[];
  readonly completes?: Completion;
}

const maxWord = 255;

/** Any text without control characters. */
export function text(accepts: string, placeholder: string, completes?: Completion): Kind<string> {
  return {
    accepts: `${accepts}, of 1 to ${maxWord} characters without control characters`,
    placeholder,
    parse: (given) => (/^\P{Cc}+$/u.test(given) && given.length <= maxWord ? given : undefined),
    ...(completes === undefined ? {} : { completes }),
  };
}

export const container = text(
  'a name of a container, or the beginning of its id',
  'CONTAINER',
  'container',
);
export const network = text(
  'a name of a network, its bridge, or the beginning of its id',
  'NETWORK',
  'network',
);

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** `80`, `8000-8099`. */
export const portRange: Kind<PortRange> = {
  accepts: 'a port or a range of ports, N or N-M, from 1 to 65535',
  placeholder: 'PORT[-PORT]',
  parse: (given) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(given);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    return first >= 1 && first <= last && last <= 65535 ? { first, last } : undefined;
  },
};

/** A whole number of at least 1. */
export function count(most: number): Kind<number> {
  return {
    accepts: `a whole number from 1 to ${most}`,
    placeholder: 'N',
    parse: (given) => {
      const value = /^\d{1,9}$/.test(given) ? Number(given) : 0;
      return value >= 1 && value <= most ? value : undefined;
    },
  };
}

/** How long ago, in seconds, by the letter behind the number. */
const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** The id of an event, or a time of RFC 3339 (UTC): what `GET /v1/events` takes. */
export const since: Kind<string> = {
  accepts:
    'the id of an event, a time such as 2026-11-26T14:00:00Z, or how long ago: 90s, 10m, 2h, 1d',
  placeholder: 'ID|TIME',
  parse: (given) => {
    if (/^\d{1,16}$/.test(given)) return given;
    const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(given) ?? [];
    if (unit !== undefined) {
      return new Date(Date.now() - Number(number) * (units[unit] ?? 1) * 1_000).toISOString();
    }
    const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(given);
    const time = isTime ? Date.parse(given) : Number.NaN;
    return Number.isNaN(time) ? undefined : new Date(time).toISOString();
  },
};

export const words = oneOf;
/** In milliseconds. */
export const duration: (least: number, most: number) => Kind<number> = seconds;
export const filePath = fromHere(file, 'file');
export const folderPath = fromHere(folder, 'folder');
export const runtimeFolder = fromHere(socketFolder, 'folder');
export const unixSocket = fromHere(socketPath, 'file');

/**
 * The path of a command line: one that does not begin with / counts from the current folder, as in every
 * program of a shell. The value is absolute. `-` is refused, because many programs mean standard output by it.
 */
function fromHere(kind: ValueKind<string>, completes: Completion): Kind<string> {
  return {
    accepts: `${kind.accepts}, or a path from the current folder`,
    placeholder: kind.placeholder,
    parse: (given) => (given === '' || given === '-' ? undefined : kind.parse(resolve(given))),
    completes,
  };
}
