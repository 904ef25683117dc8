/** The version of this installation. */
import { readFile } from 'node:fs/promises';

/** From the package.json that lies beside `dist/` (or `src/`), in which this file or its bundle is. */
export async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
