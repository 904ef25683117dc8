/** Collects everything that is wrong with a request, to say it all at once. */
import { DriverError, type ErrorCode } from './errors.js';

/** More than a person reads, and few enough for one error message. */
const maxListed = 20;

/** Characters of a value in a message. */
const maxShown = 100;

export class Problems {
  readonly #listed: string[] = [];
  #count = 0;

  /** A `problem` given as a function is called only if its text will be shown: there may be 60,000 problems. */
  add(problem: string | (() => string)): void {
    this.#count += 1;
    if (this.#listed.length >= maxListed) return;
    this.#listed.push(typeof problem === 'string' ? problem : problem());
  }

  /**
   * `value` if nothing is wrong. Otherwise throws a {@link DriverError}: `DOING: PROBLEM`, or a
   * numbered list. A caller that passes undefined must have added the reason as a problem.
   */
  resolve<T>(value: T | undefined, code: ErrorCode, doing: string): T {
    if (value !== undefined && this.#count === 0) return value;
    throw new DriverError(code, `${doing}: ${this.#text()}`);
  }

  #text(): string {
    if (this.#count === 1) return this.#listed.join('');
    const list = this.#listed.map((problem, index) => `(${index + 1}) ${problem}`);
    const more = this.#count - this.#listed.length;
    if (more > 0) list.push(`and ${more} more`);
    return `${this.#count} problems: ${list.join('; ')}`;
  }
}

/**
 * A value from outside as it may stand in a message: a plain word as it is, all else as JSON (so
 * that white space and control characters are seen), cut to a readable length.
 */
export function show(value: unknown): string {
  const short = typeof value === 'string' ? value.slice(0, maxShown + 1) : value;
  const text = typeof short === 'string' && /^[!-~]+$/.test(short) ? short : json(short);
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
}

/** The first 12 characters of an id that has not been validated, for messages. */
export function showId(id: string): string {
  return show(id.slice(0, 12));
}

/** JSON that also escapes the characters that JSON allows and a terminal acts on. */
function json(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    return '(nested too deeply)'; // JSON.parse accepts deeper nesting than JSON.stringify.
  }
  return text.replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
