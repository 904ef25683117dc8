/**
 * Gives memory back to the kernel that this process has and does not use.
 *
 * After the start, 50 MB of Node.js's program file are mapped into the process, of which it goes on to use some ten:
 * the kernel maps 64 KB around each page that is touched, and a start touches much that nothing touches later. Those
 * pages stay in the page cache, and come back from there when they are used.
 */
import { readFile, readlink } from 'node:fs/promises';
import koffi, { type KoffiFunc } from 'koffi';
import { unchangedMappings } from './codec/memory-maps.js';

/** MADV_DONTNEED: nothing of a file's page is lost by it, as long as the process has no copy of its own. */
const doNotNeed = 4;

/** From <malloc.h>: M_MMAP_THRESHOLD, M_ARENA_MAX. */
const parameter = { mmapThreshold: -3, mostArenas: -8 } as const;
/** Larger blocks are given back to the kernel as soon as they are free. */
const largeBytes = 128 * 1024;

/**
 * Has the GNU C library keep less of what was freed, from now on: it would raise the size above which it gives memory back at once
 * with each block that it frees, and would have a heap of its own for each thread. Of no effect with another library.
 */
export function keepLittleFreed(): void {
  try {
    const set = koffi.load(null).func('int mallopt(int parameter, int value)');
    set(parameter.mmapThreshold, largeBytes);
    set(parameter.mostArenas, 1);
  } catch {
    // Such a library has no such heaps either.
  }
}

type Call = KoffiFunc<(...parameters: unknown[]) => number>;

export class UnusedMemory {
  readonly #advise: Call;
  /** undefined: not the GNU C library. */
  readonly #trim: Call | undefined;

  constructor() {
    const library = koffi.load(null);
    this.#advise = library.func('int madvise(uintptr_t address, size_t bytes, int advice)');
    this.#trim = (() => {
      try {
        return library.func('int malloc_trim(size_t pad)');
      } catch {
        return undefined;
      }
    })();
  }

  /** What libc's allocator has, on a thread: 1 ms. */
  async trimAllocator(): Promise<void> {
    if (this.#trim !== undefined) await onThread(this.#trim, 0);
  }

  /**
   * The pages of the program file, on a thread: some 10 ms. Only of this file, which stays mapped as long as the
   * process lives, so that no other mapping can take its place meanwhile.
   */
  async releaseProgram(): Promise<void> {
    const [smaps, program] = await Promise.all([
      readFile('/proc/self/smaps', 'latin1'),
      readlink('/proc/self/exe', 'latin1'),
    ]);
    for (const { address, bytes } of unchangedMappings(smaps, program)) {
      await onThread(this.#advise, address, bytes, doNotNeed);
    }
  }
}

function onThread(call: Call, ...parameters: readonly (number | bigint)[]): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...parameters, (error: Error | null, result: number) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}
