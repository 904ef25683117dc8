/** Whether a container's sandbox is still there: the file to which its network namespace is bound. */
import { readFile, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Sandboxes } from '../driver/host.js';

/** NSFS_MAGIC of the kernel. Without the namespace the file is an empty one, or there is none. */
const namespaceFiles = 0x6e736673;

export class SandboxFiles implements Sandboxes {
  /** @param mountInfo proc_pid_mountinfo(5) of this process */
  constructor(private readonly mountInfo = '/proc/self/mountinfo') {}

  async isThere(path: string): Promise<boolean> {
    try {
      if ((await statfs(path)).type === namespaceFiles) return true;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      // Any other error (EACCES, EIO) is no proof that the sandbox is gone.
      if (!['ENOENT', 'ENOTDIR'].includes(code)) return true;
    }
    return !(await this.#canSee(dirname(path)));
  }

  /**
   * In a container the engine's folder of sandboxes may be missing, or bound in without propagation:
   * then no namespace is ever seen in it, be there one or not.
   */
  async #canSee(folder: string): Promise<boolean> {
    try {
      await stat(folder);
      const text = await readFile(this.mountInfo, 'latin1');
      return !text.split('\n').some((line) => {
        const [, , , , point, , ...more] = line.split(' ');
        const shared = more
          .slice(0, more.indexOf('-'))
          .some((tag) => /^(shared|master):/.test(tag));
        return !shared && point !== undefined && folder.replace(/^\/var\/run\//, '/run/') === point;
      });
    } catch {
      return false;
    }
  }
}
