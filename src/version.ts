/** The version of this installation. */
import { readFile } from 'node:fs/promises';

/** Read from the package.json beside `dist/` or `src/`, where this file or its bundle lies. */
export async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
