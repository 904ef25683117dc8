/** Makes command lines that people copy into a shell. Values in them, such as names that others chose, are quoted. */

/** One word of a command line: in single quotes, unless every shell takes it as it is. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A template of a command line: its own words are ours, and each value becomes one word. */
export function shell(
  words: TemplateStringsArray,
  ...values: readonly (string | number)[]
): string {
  return words
    .map((word, index) => (index === 0 ? word : shellWord(String(values[index - 1])) + word))
    .join('');
}
