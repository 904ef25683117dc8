/** Modes and times that are the same whoever builds, and when. */
import { chmodSync, lutimesSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Modes as root would have made them, and one time for all, so that two builds are equal. */
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

/** Sets the time of a folder and of everything in it. */
export function touchAll(folder: string, epoch: number): void {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  // Folders too: creating what is in them has changed their time, touching it does not.
  for (const path of [...names.map((name) => join(folder, name)), folder]) {
    lutimesSync(path, epoch, epoch);
  }
}
