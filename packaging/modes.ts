/** Sets modes and times of files, so that packages are the same whoever builds them, and when. */
import { chmodSync, lutimesSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Gives all files and folders the modes that root would have made them with, and one time.
 *
 * @param epoch the time, in seconds since 1970
 */
export function normalise(folder: string, epoch: number): void {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  chmodSync(folder, 0o755);
  for (const [index, path] of paths.entries()) {
    if (entries[index]?.isSymbolicLink()) continue;
    const executable = entries[index]?.isDirectory() || (statSync(path).mode & 0o100) !== 0;
    chmodSync(path, executable && !path.endsWith('.node') ? 0o755 : 0o644);
  }
  touchAll(folder, epoch);
}

/**
 * Sets the time of a folder and of everything in it.
 *
 * @param epoch seconds since 1970
 */
export function touchAll(folder: string, epoch: number): void {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  // The order does not matter: making a file changes the time of its folder, setting the time of a file does not.
  for (const path of [...names.map((name) => join(folder, name)), folder]) {
    lutimesSync(path, epoch, epoch);
  }
}
