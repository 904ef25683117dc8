/** Reads the file of a unit's `EnvironmentFile=`, as systemd does (systemd.exec(5); systemd's `env-file.c`). */

/** Its groups: what stands before `=`, the parts in quotation marks with which the value begins, the rest of the value. */
const assignment =
  /^[ \t]*([^\s#;][^=\r\n]*)=((?:[ \t]|'[^']*'?|"(?:\\[\s\S]|[^"\\])*"?)*)((?:\\[\s\S]|[^\\\r\n])*)/gm;

/**
 * `NAME=value` lines. The last one of a name counts. Quotation marks count at the beginning of a value only, and may hold
 * several lines. Outside of them a backslash stands for the character after it; at the end of a line, the value goes on in
 * the next line. Other lines are left out, as systemd leaves them out; so are assignments whose name is not one of a
 * variable, with all lines that their quotation marks hold.
 *
 * @param text of the file
 * @returns name of a variable → its value
 */
export function parseEnvironmentFile(text: string): Readonly<Record<string, string>> {
  const assignments = [...text.matchAll(assignment)].map(
    ([, name = '', quoted = '', rest = '']) =>
      [name.trimEnd(), unquote(quoted) + unescaped(rest)] as const,
  );
  return Object.fromEntries(assignments.filter(([name]) => /^[A-Za-z_]\w*$/.test(name)));
}

function unquote(parts: string): string {
  const found = parts.matchAll(/'([^']*)'?|"((?:\\[\s\S]|[^"\\])*)"?/g);
  // Between double quotation marks a backslash is kept, except before these characters and at the end of a line.
  const inDouble = (text: string) => text.replace(/\\(?:\n|(["\\`$]))/g, '$1');
  return [...found].map(([, single, double = '']) => single ?? inDouble(double)).join('');
}

/** Blanks at the end do not count, unless a backslash stands before the last of them. */
function unescaped(text: string): string {
  // Blanks are matched all at once, since a search for those at the end would begin at each of the others, too.
  return text.replace(
    /\\([\s\S])|[ \t]+/g,
    (part: string, escaped: string | undefined, at: number) => {
      if (escaped !== undefined) return escaped === '\n' || escaped === '\r' ? '' : escaped;
      return at + part.length === text.length ? '' : part;
    },
  );
}
