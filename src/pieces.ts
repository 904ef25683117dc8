/** Long work of the event loop in pieces, so that calls do not wait for all of it. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds; most calls of the engine have less to do than that. */
const pieceMs = 5;

export class Pieces {
  #began: number;

  /** @param now in milliseconds; for tests */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#began = now();
  }

  /** Gives others their turn if the piece has become long enough. */
  async pause(): Promise<void> {
    if (this.now() - this.#began < pieceMs) return;
    await nextTurn();
    this.#began = this.now();
  }

  /** What the generator returns; at each of its steps others may get their turn. */
  async run<Result>(steps: Iterator<unknown, Result>): Promise<Result> {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      await this.pause();
    }
  }
}
