/** Lines of `iptables-save`: comments of others can have line breaks, which end no line. */

/** Characters. Comments have 255 at most, and a rule can have a few of such texts. */
const longestLine = 8_192;

/** Puts parts of a line together again, as they come. */
export class LineJoiner {
  /** A line that ended inside of quotes. */
  #open = '';

  /** The lines that are whole with this part: none while a quote is open, several if it was a stray one. */
  take(part: string): readonly string[] {
    const line = this.#open + part;
    this.#open = part.includes('"') || this.#open !== '' ? openQuote(line) : '';
    if (this.#open === '') return [line];
    if (this.#open.length <= longestLine) return [];
    // A quoted text is never that long: the quote was a stray one, so its lines are read as rules.
    const lines = this.#open.split('\n');
    this.#open = '';
    return lines;
  }
}

/** The line and its break, if it ends within quotes; empty if it is complete. */
function openQuote(line: string): string {
  // As iptables writes them: a quote or backslash of the text itself has a backslash before it.
  const outside = line.replace(/"(?:[^"\\]|\\[\s\S])*"/g, '');
  return outside.includes('"') ? `${line}\n` : '';
}

/** The lines of a whole text. */
export function* wholeLines(text: string): Generator<string> {
  const joiner = new LineJoiner();
  for (const part of text.split('\n')) yield* joiner.take(part);
}
