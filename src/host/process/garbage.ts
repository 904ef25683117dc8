/** V8's garbage collector, on demand. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * A function that collects everything that is no longer used, at once (some 50 ms). V8 would wait
 * until the heap is much larger than it has to be, since it goes by the memory of the machine.
 */
export function garbageCollector(): () => void {
  // New contexts have `gc` from here on; the daemon's own does not.
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? () => void collect() : () => {};
}
