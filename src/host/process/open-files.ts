/** How many files another process has open. */
import { stat } from 'node:fs/promises';

/**
 * undefined if the kernel does not say, or the process is gone. Linux gives the number as the size of the folder
 * `/proc/PID/fd` since 6.2, and 0 before; the folder itself, which can have 60,000 names, is not read.
 */
export async function openFilesOf(pid: number): Promise<number | undefined> {
  try {
    const { size } = await stat(`/proc/${pid}/fd`);
    return size === 0 ? undefined : size;
  } catch {
    return undefined;
  }
}
