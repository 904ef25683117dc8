/** V8's garbage collector, on demand. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * A function that collects all garbage at once (some 50 ms). V8 by itself waits until the heap is much larger
 * than necessary, since its limits go by the memory of the machine.
 */
export function garbageCollector(): () => void {
  // V8 adds `gc` to contexts made from here on; the daemon's own context does not get it.
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? () => void collect() : () => {};
}
