/** Gives memory back that is not used, whenever calls have been served and none has come for a while. */
import { answered, background } from '../background.js';
import type { Log } from '../driver/host.js';
import type { Happening } from '../driver/telemetry.js';
import { UnusedMemory } from '../unused-memory.js';
import type { Opened } from './opened.js';
import type { TelemetryHub } from './telemetry.js';

/** How often it is looked whether the daemon rests. */
const everyMs = 1_000;
/** Without a call for so long, the daemon rests. */
const quietMs = 500;
/**
 * Pages of the program file are given back at most so often: those that calls use come back one by one, which costs the
 * next calls some tenths of a millisecond.
 */
const programMs = 600_000;

/** From the end of recovery on, if it succeeds, until `opened` is closed. */
export function giveMemoryBack(
  hub: TelemetryHub,
  log: Log,
  opened: Opened,
  recovered: Promise<void>,
): void {
  const resting = new Resting(new UnusedMemory(), log);
  hub.add(resting);
  opened.add('what gives memory back', () => resting.stop());
  // Whoever waits for recovery is told of its failure.
  const begun = recovered.then(() => resting.start());
  answered(begun, () => undefined);
}

export class Resting {
  #lastCall = Number.NEGATIVE_INFINITY;
  /** Whether there was work since memory was last given back. */
  #worked = true;
  #programReleased = Number.NEGATIVE_INFINITY;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly memory: Pick<UnusedMemory, 'trimAllocator' | 'releaseProgram'>,
    private readonly log: Pick<Log, 'error'>,
    /** In milliseconds; tests have another. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Of telemetry. */
  tell(happening: Happening): void {
    if (happening.kind !== 'call') return;
    this.#lastCall = this.now();
    this.#worked = true;
  }

  start(): void {
    if (this.#stopped) return;
    this.#timer = setInterval(() => {
      background(this.log, 'giving memory back', () => this.look());
    }, everyMs).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async look(): Promise<void> {
    const now = this.now();
    if (!this.#worked || now - this.#lastCall < quietMs) return;
    this.#worked = false;
    await this.memory.trimAllocator();
    if (now - this.#programReleased < programMs) return;
    this.#programReleased = now;
    await this.memory.releaseProgram();
  }
}
