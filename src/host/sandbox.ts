/**
 * Whether a container's sandbox is still there: the file to which its network namespace is bound.
 */
import { statfs } from 'node:fs/promises';
import type { Sandboxes } from '../driver/host.js';

/** NSFS_MAGIC of the kernel. Without the namespace the file is an empty one, or there is none. */
const namespaceFiles = 0x6e736673;

export class SandboxFiles implements Sandboxes {
  async isThere(path: string): Promise<boolean> {
    try {
      return (await statfs(path)).type === namespaceFiles;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      // Any other failure does not prove that the container has ended.
      return !['ENOENT', 'ENOTDIR'].includes(code);
    }
  }
}
