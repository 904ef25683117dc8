/**
 * A command that is needed again and again with other input: the next one is started ahead and
 * waits for its input, since starting a process takes longer than what it does then (5 ms to 2 ms
 * for iptables-restore and a few rules).
 *
 * Only for commands that read their input before they look at the host. Both iptables-restore do
 * (iptables 1.8.9: the cache of rules is read, and the lock taken, at a line `*TABLE`), and so does
 * `nft -f -` (1.0.6).
 */
import {
  type CommandOptions,
  type CommandResult,
  type StartedCommand,
  startCommand,
} from './exec.js';

/** After a use, so that the start of the next one does not compete with what the call led to. */
const pauseMs = 50;

export class SpareCommand {
  #spare: StartedCommand | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    /** Name of the program. */
    readonly file: string,
    private readonly args: readonly string[],
  ) {}

  /** As `runCommand`; runs beside others if several are asked for at a time. */
  async run(options: Omit<CommandOptions, 'env'>): Promise<CommandResult> {
    const spare = this.#spare;
    this.#spare = undefined;
    const started = spare === undefined || spare.ended ? startCommand(this.file, this.args) : spare;
    const result = await started.finish(options).catch((error: unknown) => {
      // Whatever is wrong with this one may be wrong with the next.
      this.close();
      throw error;
    });
    this.prepare();
    return result;
  }

  /** Starts the next one, soon. */
  prepare(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#spare !== undefined && !this.#spare.ended) return;
      this.#spare = startCommand(this.file, this.args);
      this.#spare.unref();
    }, pauseMs).unref();
  }

  /** Ends the one that waits; the next {@link run} starts its own. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#spare?.discard();
    this.#spare = undefined;
  }
}
