/** Two aligned columns and wrapped paragraphs, for help and for reports about one thing. */
import {
  fit,
  joined,
  line,
  nothing,
  padded,
  plain,
  type TerminalText,
  widthOf,
  wrapped,
} from './fit.js';

/** Columns that text keeps to where no terminal says how many it has. */
export const defaultWidth = 100;

/** Two aligned columns, indented by two; what is too long for a line goes on below its column. */
export function columns(
  rows: readonly (readonly [string, string | TerminalText])[],
  lineWidth = defaultWidth,
): TerminalText {
  const fitted = rows.map(
    ([left, right]) => [fit(left), typeof right === 'string' ? fit(right) : right] as const,
  );
  const width = Math.max(...fitted.map(([left]) => widthOf(left)));
  const row = (left: TerminalText, right: TerminalText) =>
    line(plain`  ${padded(left, width, 'left')}  ${right}`);
  return joined(
    fitted.map(([left, right]) => {
      const [first = nothing, ...more] = wrapped(right, lineWidth - width - 4);
      return joined([row(left, first), ...more.map((text) => row(nothing, text))]);
    }),
  );
}

/** Ends with a line break. */
export function paragraph(text: string, width = defaultWidth): TerminalText {
  return line(joined(wrapped(fit(text), width), '\n'));
}
