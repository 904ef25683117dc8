/** Reads the file of a unit's `EnvironmentFile=`, as systemd does (systemd.exec(5); systemd's `env-file.c`). */

/** What stands before `=`, the parts of the value in quotation marks, which begin it, and the rest. */
const assignment =
  /^[ \t]*([^\s#;][^=\r\n]*)=((?:[ \t]|'[^']*'?|"(?:\\[\s\S]|[^"\\])*"?)*)((?:\\[\s\S]|[^\\\r\n])*)/gm;

/**
 * `NAME=value` lines. The last one of a name counts. Quotation marks count at the beginning of a value only, and may hold
 * several lines. A backslash takes the next character as it is, or goes on in the next line. Other lines are left out, as
 * systemd leaves them out; so are assignments of what is no name, with all lines that their quotation marks hold.
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
  // Between double ones a backslash is one of the value, but before these characters and at the end of a line.
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
