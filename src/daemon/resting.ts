/** Gives memory that the daemon does not use back to the kernel, while the engine makes no calls. */
import { answered, background } from '../background.js';
import type { Log } from '../driver/host.js';
import type { Happening } from '../driver/telemetry.js';
import { UnusedMemory } from '../unused-memory.js';
import type { Opened } from './opened.js';
import type { TelemetryHub } from './telemetry.js';

/** Milliseconds between two looks at whether the daemon rests. */
const everyMs = 1_000;
/** The daemon rests after so many milliseconds without a call. */
const quietMs = 500;
/**
 * Milliseconds between two releases of the program file's pages. The second release follows soon after the first, since
 * work that goes on after the start needs some pages once more. Later ones are rare: the pages that calls use come back
 * one by one, which costs the next calls some tenths of a millisecond.
 */
const programMs = { again: 2_000, every: 600_000 } as const;

/** Gives memory back from the end of a successful recovery on, until `opened` is closed. */
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
    /** The time in milliseconds; tests give a clock of their own. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Telemetry calls this with each happening. */
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

  /** Gives memory back if the daemon rests. */
  async look(): Promise<void> {
    const now = this.now();
    if (now - this.#lastCall < quietMs) return;
    if (this.#worked) {
      this.#worked = false;
      await this.memory.trimAllocator();
    }
    if (now < this.#programAt) return;
    // A host that refuses it once (without /proc/self/smaps, e.g.) refuses it always, and is told of once.
    this.#programAt = Number.POSITIVE_INFINITY;
    await this.memory.releaseProgram();
    this.#programAt = now + (this.#isFirst ? programMs.again : programMs.every);
    this.#isFirst = false;
  }
}
