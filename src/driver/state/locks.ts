/** Who may work on what at the same time: one writer, or any number of readers, for each key. */

interface Waiter {
  readonly exclusive: boolean;
  readonly go: () => void;
}

interface LockState {
  readers: number;
  writer: boolean;
  readonly waiting: Waiter[];
}

/** Locks by key, first come first served, so that a writer is not starved by readers. */
export class KeyedLocks<Key> {
  /** @param waited is told how long work waited for its turn, in milliseconds, if it had to */
  constructor(private readonly waited: (ms: number) => void = () => undefined) {}

  readonly #locks = new Map<Key, LockState>();

  /** Runs `work` alone among everything under the same key. */
  exclusive<T>(key: Key, work: () => Promise<T>): Promise<T> {
    return this.#run(key, true, work);
  }

  /** Runs `work` beside other shared work under the same key. */
  shared<T>(key: Key, work: () => Promise<T>): Promise<T> {
    return this.#run(key, false, work);
  }

  async #run<T>(key: Key, exclusive: boolean, work: () => Promise<T>): Promise<T> {
    const lock = this.#locks.get(key) ?? { readers: 0, writer: false, waiting: [] };
    this.#locks.set(key, lock);
    const free = !lock.writer && lock.waiting.length === 0 && (!exclusive || lock.readers === 0);
    if (free) enter(lock, exclusive);
    else {
      const since = performance.now();
      await new Promise<void>((go) => lock.waiting.push({ exclusive, go }));
      this.waited(performance.now() - since);
    }
    try {
      return await work();
    } finally {
      if (exclusive) lock.writer = false;
      else lock.readers -= 1;
      admit(lock);
      if (!lock.writer && lock.readers === 0) this.#locks.delete(key);
    }
  }
}

function enter(lock: LockState, exclusive: boolean): void {
  if (exclusive) lock.writer = true;
  else lock.readers += 1;
}

function admit(lock: LockState): void {
  for (;;) {
    const next = lock.waiting[0];
    if (next === undefined || lock.writer || (next.exclusive && lock.readers > 0)) return;
    lock.waiting.shift();
    enter(lock, next.exclusive);
    next.go();
  }
}
