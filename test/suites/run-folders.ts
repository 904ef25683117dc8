/**
 * Many test files in one process: each file of its own would compile the sources anew, which is
 * where most of the time goes. A file must not count on being alone in its process.
 */
import { readdirSync } from 'node:fs';

/** @param folders below `test/` */
export async function runFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const url = new URL(`../${folder}/`, import.meta.url);
    for (const name of readdirSync(url).sort()) {
      if (name.endsWith('.test.ts')) await import(new URL(name, url).href);
    }
  }
}
