/** Gives memory back that is not used, while no calls come. */
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
 * Pages of the program file are given back twice after the start, since what goes on after it
 * needs some of them once, and then at most so often: those that calls use come back one by one, which costs the next calls some tenths of a
 * millisecond.
 */
const programMs = { again: 2_000, every: 600_000 } as const;

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
  /** When pages of the program are next given back. */
  #programAt = Number.NEGATIVE_INFINITY;
  #isFirst = true;
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
    if (now - this.#lastCall < quietMs) return;
    if (this.#worked) {
      this.#worked = false;
      await this.memory.trimAllocator();
    }
    if (now < this.#programAt) return;
    this.#programAt = now + (this.#isFirst ? programMs.again : programMs.every);
    this.#isFirst = false;
    await this.memory.releaseProgram();
  }
}
