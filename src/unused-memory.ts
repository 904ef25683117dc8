/**
 * Gives memory that this process has and does not use back to the kernel.
 *
 * After the start, 50 MB of Node.js's program file are mapped into the process, of which it uses some ten MB later:
 * the kernel maps 64 KB around each page that is touched, and a start touches much that nothing touches later. Pages that
 * are given back stay in the page cache, from which the kernel maps them again when they are used.
 */
import { readFile, readlink } from 'node:fs/promises';
import koffi, { type KoffiFunc } from 'koffi';
import { unchangedMappings } from './codec/memory-maps.js';

/** MADV_DONTNEED: a page of a file loses nothing by it, as long as the process has no copy of its own. */
const doNotNeed = 4;

/** From <malloc.h>: M_MMAP_THRESHOLD, M_ARENA_MAX. */
const parameter = { mmapThreshold: -3, mostArenas: -8 } as const;
/** Blocks of at least this size are given back to the kernel as soon as they are free. */
const largeBytes = 128 * 1024;

/**
 * Makes the GNU C library keep less of the memory that is freed after this call. By default it raises the size from which
 * it gives blocks back at once with each larger block that is freed, and has several heaps for the threads; this fixes the
 * size and allows one heap. Has no effect with another C library.
 */
export function keepLittleFreed(): void {
  try {
    const set = koffi.load(null).func('int mallopt(int parameter, int value)');
    set(parameter.mmapThreshold, largeBytes);
    set(parameter.mostArenas, 1);
  } catch {
    // Another C library, without mallopt: there is nothing to set.
  }
}

type Call = KoffiFunc<(...parameters: unknown[]) => number>;

export class UnusedMemory {
  readonly #advise: Call;
  /** undefined: the C library is not GNU's. */
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

  /** Gives back what the C library's allocator holds and nobody uses. Takes 1 ms, on a thread. */
  async trimAllocator(): Promise<void> {
    if (this.#trim !== undefined) await onThread(this.#trim, 0);
  }

  /**
   * Gives back the pages of the program file. Takes some 10 ms, on a thread. Other files are left alone: only this one
   * surely stays mapped as long as the process lives, so that no other mapping can take its place meanwhile.
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
