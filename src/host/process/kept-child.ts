/** A child that runs as long as the daemon does: started again whenever it ends. */

import { createInterface } from 'node:readline';
import { background } from '../../background.js';
import type { Log } from '../../driver/host.js';
import { type LongProcess, spawnProcess } from './exec.js';

export interface ChildEvents {
  line(text: string): void;
  /** The child printed an error, ended, or was started: events of that time may be missing. */
  lostTrack(): void;
  /** The child printed an error or ended: some of its events are lost for certain. */
  gap?(): void;
  /** Errors after which no event is missing. */
  readonly harmless?: RegExp;
}

/** Between the end of a child and the start of the next: doubled each time, up to the last. */
const restartMs = { first: 200, last: 10_000 };
/** A child that ran so long starts the doubling anew. */
const steadyMs = 30_000;
/** After this time a new child listens; changes before that were reported by no child. */
const listensMs = 1_000;

export class KeptChild {
  #child: LongProcess | undefined;
  readonly #timers = new Set<NodeJS.Timeout>();
  #running = false;
  #stopped = false;

  constructor(
    private readonly file: string,
    private readonly args: readonly string[],
    private readonly events: ChildEvents,
    private readonly log: Log,
  ) {}

  start(): void {
    this.#start(restartMs.first);
  }

  /** `nft`, if it does not run at the moment. */
  get missing(): string | undefined {
    return this.#running ? undefined : this.file;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#child?.kill('SIGTERM');
  }

  #start(delay: number): void {
    const { file, args, events } = this;
    const started = performance.now();
    const child = spawnProcess(file, args, { stderr: 'pipe' });
    this.#child = child;
    this.#running = child.pid !== undefined;
    if (child.stdout !== undefined) {
      createInterface({ input: child.stdout }).on('line', (text) => events.line(text));
    }
    // "No buffer space available": events were lost, so something changed.
    if (child.stderr !== undefined) {
      createInterface({ input: child.stderr }).on('line', (text) => {
        if (events.harmless?.test(text)) return;
        events.gap?.();
        events.lostTrack();
      });
    }
    this.#later(listensMs, () => events.lostTrack());
    const restarted = child.ended.then(({ description }) => {
      this.#running = false;
      if (this.#stopped) return;
      events.gap?.();
      const steady = performance.now() - started > steadyMs;
      const wait = steady ? restartMs.first : delay;
      this.log.warn({ program: file, error: description, restartMs: wait }, 'monitor ended');
      this.#later(wait, () => {
        this.#start(Math.min(wait * 2, restartMs.last));
        events.lostTrack();
      });
    });
    background(this.log, `starting ${file} again`, restarted);
  }

  #later(delayMs: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer);
  }
}
