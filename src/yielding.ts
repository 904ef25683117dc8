/** Yielding: long work lets calls of the engine run in between. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** So many milliseconds of work in one turn: most calls of the engine take less. */
const turnMs = 5;

export class Yielding {
  #began: number;

  /**
   * @param now in milliseconds; for tests
   * @param turn so many milliseconds of work before others get their turn
   */
  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly turn = turnMs,
  ) {
    this.#began = now();
  }

  /** Whether {@link pause} would let others run. A loop of thousands of short steps asks, to await only when it has to. */
  get isDue(): boolean {
    return this.now() - this.#began >= this.turn;
  }

  /** Lets other work of the event loop run, if {@link turnMs} have passed since it last did. */
  async pause(): Promise<void> {
    if (!this.isDue) return;
    await nextTurn();
    this.#began = this.now();
  }

  /** What the generator returns; at each of its steps others may get their turn. */
  async run<Result>(steps: Iterator<unknown, Result>): Promise<Result> {
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (this.isDue) await this.pause();
    }
  }
}
