/** Watches over all concerns while the daemon runs, and has them put right: one loop for each. */
import { messageOf } from '../../core/errors.js';
import { type Clock, systemClock } from '../clock.js';
import type { World } from '../world.js';
import type { Concern, Poll, SignListener } from './concerns/concern.js';
import { defaultTiming, Watch, type WatchStatus } from './debounce.js';
import { type Sign, subjectsOf } from './signs.js';

/** By the concern's name. */
export type RepairStatus = Readonly<Record<string, WatchStatus>>;

export class SelfRepair {
  readonly #watches: ReadonlyMap<Concern, Watch>;
  readonly #timers = new Map<Concern, unknown>();
  #started = false;

  constructor(
    concerns: readonly Concern[],
    private readonly world: Pick<World, 'log' | 'registry' | 'telemetry'>,
    private readonly listeners: readonly SignListener[] = [],
    private readonly clock: Clock = systemClock,
  ) {
    this.#watches = new Map(
      concerns.map((concern) => [
        concern,
        new Watch(concern, world.log, clock, defaultTiming, world.telemetry),
      ]),
    );
  }

  /** Call it after recovery. Signs from before are dropped, since this begins with a repair of everything. */
  start(): void {
    this.#started = true;
    this.noticed({ kind: 'start' });
    for (const concern of this.#watches.keys()) {
      if (concern.poll !== undefined) this.#schedule(concern, concern.poll);
    }
  }

  noticed(told: Sign): void {
    if (!this.#started) return;
    for (const listener of this.listeners) listener.noticed(told);
    const sign: Sign = isOfOthers(this.world, told) ? { kind: 'routes' } : told;
    const subjects = subjectsOf(sign);
    for (const [concern, watch] of this.#watches) {
      if (concern.signs.some((subject) => subjects.includes(subject))) watch.changed(sign);
    }
  }

  status(): RepairStatus {
    return Object.fromEntries(
      [...this.#watches].map(([{ name }, watch]) => [name, watch.status()] as const),
    );
  }

  /** By the concern's name: how long the oldest sign has waited for a repair, in milliseconds. */
  pending(): Readonly<Record<string, number>> {
    return Object.fromEntries(
      [...this.#watches].map(([{ name }, watch]) => [name, watch.pendingMs] as const),
    );
  }

  stop(): void {
    this.#started = false;
    for (const timer of this.#timers.values()) this.clock.clearTimeout(timer);
    for (const watch of this.#watches.values()) watch.stop();
    for (const listener of this.listeners) listener.stop();
  }

  #schedule(concern: Concern, poll: Poll): void {
    const timer = this.clock.setTimeout(() => {
      this.#poll(concern, poll).catch((error) => {
        this.world.log.error({ error }, `polling ${concern.name} has ended`);
      });
    }, poll.intervalMs);
    this.#timers.set(concern, timer);
  }

  async #poll(concern: Concern, poll: Poll): Promise<void> {
    try {
      if (await poll.differs()) {
        this.world.telemetry.tell({
          ...{ kind: 'drift', what: concern.name, count: undefined, first: [] },
        });
        this.#watches.get(concern)?.changed();
      }
    } catch (error) {
      this.world.log.warn({ error: messageOf(error) }, `reading ${concern.name} failed`);
    }
    if (this.#started) this.#schedule(concern, poll);
  }
}

/** Whether it is a link that none of our networks has: only routes of ours may lead by it. */
function isOfOthers({ registry }: Pick<World, 'registry'>, sign: Sign): boolean {
  return (
    sign.kind === 'link' && sign.name !== undefined && registry.ownerOf(sign.name) === undefined
  );
}
