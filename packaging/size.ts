/** How much a folder takes when it is installed. */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of all regular files in a folder and below. */
export function folderSize(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce((total, name) => {
    const stat = lstatSync(join(folder, name));
    return total + (stat.isFile() ? stat.size : 0);
  }, 0);
}
