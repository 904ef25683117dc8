/** JSON from outside, with bounds on what it may cost to have it in memory. */
import { DriverError, messageOf } from '../../core/errors.js';

/** Engines nest five deep. */
const maxDepth = 32;
/** A container with 60,000 ports sends 600,000 values; V8 takes up to 60 bytes for each. */
const maxValues = 700_000;

/**
 * undefined for an empty text.
 *
 * @throws DriverError `bad-request` for what is no JSON, and for JSON with too many values: a few megabytes
 *   of `{},` would become gigabytes in memory
 */
export function parseJson(text: string): unknown {
  if (!/\S/.test(text)) return undefined;
  refuseHeaps(text);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new DriverError('bad-request', `the body is not JSON: ${messageOf(error)}`);
  }
}

/** Counts values and depth. Text that is no JSON passes: `JSON.parse` refuses it. */
function refuseHeaps(text: string): void {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case quote:
        at = endOfString(text, at);
        break;
      case openBracket:
      case openBrace:
        depth += 1;
        values += 1;
        break;
      case closeBracket:
      case closeBrace:
        depth -= 1;
        break;
      case comma:
        values += 1;
        break;
    }
    if (depth > maxDepth || values > maxValues) {
      const what =
        depth > maxDepth ? `levels: at most ${maxDepth}` : `values: at most ${maxValues}`;
      throw new DriverError('bad-request', `the body has too many ${what} are accepted`);
    }
  }
}

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** The closing quotation mark of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === quote) return at;
    if (character === backslash) at += 1;
  }
  return text.length;
}
