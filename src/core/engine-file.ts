/** The text of dockerd's settings file, daemon.json. */

/**
 * The JSON text that dockerd makes of its file: it leaves out a byte order mark at the beginning (since 23.0, moby
 * #44770), and reads an empty file as one without settings.
 */
export function engineFileJson(text: string): string {
  const json = text.replace(/^\uFEFF/, '');
  return json.trim() === '' ? '{}' : json;
}
