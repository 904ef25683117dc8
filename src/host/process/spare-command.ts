/**
 * A command that is needed again and again with other input: the next one is started ahead and
 * waits for its input, since starting a process takes longer than what it does then (5 ms to 2 ms
 * for iptables-restore and a few rules).
 *
 * Only for commands that read their input before they read the host's rules. Both iptables-restore do
 * (iptables 1.8.9: the cache of rules is read, and the lock taken, at a line `*TABLE`).
 */
import {
  type CommandOptions,
  type CommandResult,
  type StartedCommand,
  startCommand,
} from './exec.js';

/** Pause after a use: starting the next one at once would delay what the call has to do after the commit. */
const pauseMs = 50;
/** Between two starts, each of which holds the event loop up for some milliseconds. */
const betweenMs = 10;

export class SpareCommand {
  readonly #spares: StartedCommand[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(
    /** Name of the program. */
    readonly file: string,
    private readonly args: readonly string[],
    /** How many wait: as many as are needed one right after the other. */
    private readonly count = 1,
  ) {}

  /** As `runCommand`; runs beside others if several are asked for at a time. */
  async run(options: Omit<CommandOptions, 'env'>): Promise<CommandResult> {
    const started = this.#take() ?? startCommand(this.file, this.args);
    const result = await started.finish(options).catch((error: unknown) => {
      // The waiting commands may fail for the same reason (a program that was replaced, a missing library).
      this.close();
      throw error;
    });
    this.prepare();
    return result;
  }

  /** Starts the next ones, soon. */
  prepare(): void {
    this.#startSoon(pauseMs, this.count);
  }

  /** @param most so that a program that ends by itself is not started again and again */
  #startSoon(afterMs: number, most: number): void {
    if (most === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const alive = this.#spares.filter(({ ended }) => !ended);
      this.#spares.splice(0, Number.POSITIVE_INFINITY, ...alive);
      if (alive.length >= this.count) return;
      const spare = startCommand(this.file, this.args);
      spare.unref();
      this.#spares.push(spare);
      this.#startSoon(betweenMs, most - 1);
    }, afterMs).unref();
  }

  /** Ends the waiting commands; the next {@link run} starts one for itself. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const spare of this.#spares.splice(0)) spare.discard();
  }

  #take(): StartedCommand | undefined {
    for (;;) {
      const spare = this.#spares.shift();
      if (spare === undefined || !spare.ended) return spare;
    }
  }
}
