/** Reads the file of a unit's `EnvironmentFile=`, as systemd does (systemd.exec(5); systemd's `env-file.c`). */

/** A name, the parts of its value in quotation marks, which begin it, and the rest. */
const assignment =
  /^[ \t]*([A-Za-z_]\w*)[ \t]*=((?:[ \t]|'[^']*'?|"(?:\\[\s\S]|[^"\\])*"?)*)((?:\\[\s\S]|[^\\\r\n])*)/gm;

/**
 * `NAME=value` lines. The last one of a name counts. Quotation marks count at the beginning of a value only, and may hold
 * several lines. A backslash takes the next character as it is, or goes on in the next line. Other lines are left out, as
 * systemd leaves them out.
 *
 * @param text of the file
 * @returns name of a variable → its value
 */
export function parseEnvironmentFile(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...text.matchAll(assignment)].map(([, name = '', quoted = '', rest = '']) => [
      name,
      unquote(quoted) + unescaped(rest),
    ]),
  );
}

function unquote(parts: string): string {
  const found = parts.matchAll(/'([^']*)'?|"((?:\\[\s\S]|[^"\\])*)"?/g);
  // Between double ones a backslash is one of the value, but before these characters and at the end of a line.
  const inDouble = (text: string) => text.replace(/\\(?:\r?\n|(["\\`$]))/g, '$1');
  return [...found].map(([, single, double = '']) => single ?? inDouble(double)).join('');
}

/** Blanks at the end do not count, unless a backslash stands before the last of them. */
function unescaped(text: string): string {
  return text.replace(/(\\[\s\S])?[ \t]*$/, '$1').replace(/\\(?:\r?\n|([\s\S]))/g, '$1');
}
