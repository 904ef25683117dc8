/**
 * Text that is fit for a terminal. Names, comments of rules and log lines are written by others and may
 * hold control characters: escape sequences that rename a window, hide a line or answer a query. A
 * {@link TerminalText} has none of them, it alone is printed, and only this file makes it.
 */
import { styleText } from 'node:util';
import stringWidth from 'string-width';

let trusted: (text: string) => TerminalText;

/** Line breaks and colours in it are ours. A class, so that a template knows it from text of others. */
export class TerminalText {
  readonly #text: string;

  /** For this file only: others have {@link fit} and {@link plain}. */
  private constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }

  static {
    trusted = (text) => new TerminalText(text);
  }
}

/**
 * Control characters, also the 8-bit ones (U+0080 to U+009F), and those that change the direction of
 * text or are invisible, so that one name can look like another; lone surrogates are no characters.
 */
const unfit = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** A character as JSON escapes it: two escapes if it is beyond U+FFFF. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

export const nothing: TerminalText = fit('');

/** The text on one line: what is unfit is shown as JSON would escape it, such as `\u001b`. */
export function fit(text: string): TerminalText {
  return trusted(text.replace(unfit, escaped));
}

/** As {@link fit}, for text of several lines. */
export function fitLines(text: string): TerminalText {
  return joined(text.split('\n').map(fit), '\n');
}

/** A template: its own words are trusted, and each value is made fit unless it is already. */
export function plain(
  words: TemplateStringsArray,
  ...values: readonly (TerminalText | string | number)[]
): TerminalText {
  const parts = words.map((word, index) => {
    const value = values[index - 1];
    if (value === undefined) return word;
    return (value instanceof TerminalText ? value : fit(String(value))) + word;
  });
  return trusted(parts.join(''));
}

/** Texts one after the other. */
export function joined(
  texts: readonly TerminalText[],
  between: '' | ' ' | '\n' = '',
): TerminalText {
  return trusted(texts.join(between));
}

/** One line of JSON, or an indented document; characters that are unfit are escaped in it. */
export function fitJson(value: unknown, indent?: number): TerminalText {
  const text = JSON.stringify(value, null, indent);
  // JSON leaves some of them as they are in strings, where they may be escaped; line breaks are the indent's.
  return trusted(text.replace(unfit, (found) => (found === '\n' ? found : escaped(found))));
}

/** Columns of a terminal that one line takes. */
export function widthOf(text: TerminalText): number {
  return stringWidth(String(text));
}

/** With spaces on the other side, up to this width. */
export function padded(text: TerminalText, width: number, align: 'left' | 'right'): TerminalText {
  const spaces = ' '.repeat(Math.max(0, width - widthOf(text)));
  return trusted(align === 'left' ? text + spaces : spaces + text);
}

/** Without spaces at the end, which {@link padded} leaves in the last column. */
export function line(text: TerminalText): TerminalText {
  return trusted(`${String(text).trimEnd()}\n`);
}

export function styled(format: Parameters<typeof styleText>[0], text: TerminalText): TerminalText {
  // Whether there are colours is the caller's decision, for the terminal that it writes to.
  return trusted(styleText(format, String(text), { validateStream: false }));
}

/** From the upper left corner, over what stands there, without a moment in which the screen is empty. */
export function redrawn(text: TerminalText): TerminalText {
  return trusted(`\u001b[H${String(text).split('\n').join('\u001b[K\n')}\u001b[J`);
}

/** Lines no longer than `width`, broken at spaces; a longer word stays whole: one must be able to copy it. */
export function wrapped(text: TerminalText, width: number): TerminalText[] {
  const lines: string[] = [];
  let current = '';
  for (const word of String(text).split(' ')) {
    const longer = current === '' ? word : `${current} ${word}`;
    if (stringWidth(longer) > width && current !== '') {
      lines.push(current);
      current = word;
    } else current = longer;
  }
  return [...lines, current].map(trusted);
}
