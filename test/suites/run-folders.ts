/**
 * Many test files in one process: each file of its own would compile the sources anew, which is
 * where most of the time goes. A file must not count on being alone in its process.
 */
import { readdirSync } from 'node:fs';

/**
 * @param folders below `test/`, each with all that is in it
 * @param except `FOLDER/FILE` of those that another suite runs
 */
export async function runFolders(
  folders: readonly string[],
  except: readonly string[] = [],
): Promise<void> {
  for (const folder of folders) {
    const url = new URL(`../${folder}/`, import.meta.url);
    for (const name of readdirSync(url, { recursive: true, encoding: 'utf8' }).sort()) {
      const left = !name.endsWith('.test.ts') || except.includes(`${folder}/${name}`);
      if (!left) await import(new URL(name, url).href);
    }
  }
}
