/** The text of dockerd's settings file, daemon.json. */

/**
 * The JSON in it: dockerd takes a byte order mark in front (since 23.0, moby #44770), and a file without anything as
 * one without settings.
 */
export function engineFileJson(text: string): string {
  const json = text.replace(/^\uFEFF/, '');
  return json.trim() === '' ? '{}' : json;
}
