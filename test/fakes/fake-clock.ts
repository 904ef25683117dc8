/** Time that passes when it is told to. */
import type { Clock } from '../../src/driver/clock.js';

export class FakeClock implements Clock {
  #now = 1_000_000;
  readonly #timers = new Map<object, { at: number; run: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimeout(run: () => void, ms: number): object {
    const timer = {};
    this.#timers.set(timer, { at: this.#now + ms, run });
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as object);
  }

  /** What is due meanwhile runs at its time, and so does what that sets up. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0];
      if (next === undefined || next[1].at > end) break;
      const [timer, { at, run }] = next;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      run();
    }
    this.#now = end;
  }

  get pending(): number {
    return this.#timers.size;
  }
}

/** More turns than long work is cut into, on a machine where all of it takes long. */
const turns = 50;

/** Lets everything run that only waits for promises, and for its next turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
