/**
 * The last events, in memory. Calls have a ring of their own: a host that starts a thousand containers pushes
 * out no repair. Ids go up by one from event to event; readers keep the last one and come back with it.
 */
import type { Event } from '../../driver/telemetry.js';

export interface Recorded {
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly event: Event;
}

/** Events that a reader asked for, or may have, are gone. */
export interface Gap {
  /** Which of them: `all` if they were another daemon's. */
  readonly of: 'call' | 'other' | 'all';
  /** The gone ones lie between these ids, both included. */
  readonly from: number;
  readonly to: number;
}

export interface Page {
  readonly gaps: readonly Gap[];
  readonly events: readonly Recorded[];
  /** Where the next page begins: the last id that was looked at. */
  readonly cursor: number;
  /** false: there is nothing after {@link cursor} yet. */
  readonly more: boolean;
}

/** How many events of each of the two classes are kept. */
const defaultCapacity = 1_000;

/** A ring of events with ascending ids. */
class Ring {
  readonly #slots: Recorded[] = [];
  /** Where the oldest one lies once all slots are taken. */
  #oldest = 0;
  /** The last id that was overwritten; 0: none was. */
  lost = 0;

  constructor(private readonly capacity: number) {}

  add(recorded: Recorded): void {
    if (this.#slots.length < this.capacity) {
      this.#slots.push(recorded);
      return;
    }
    this.lost = this.at(0)?.id ?? 0;
    this.#slots[this.#oldest] = recorded;
    this.#oldest = (this.#oldest + 1) % this.capacity;
  }

  /** @param position 0 for the oldest one */
  at(position: number): Recorded | undefined {
    if (position >= this.#slots.length) return undefined;
    return this.#slots[(this.#oldest + position) % this.#slots.length];
  }

  /** The position of the first one for which the condition holds, which also holds for all after it. */
  first(holds: (recorded: Recorded) => boolean): number {
    let low = 0;
    let high = this.#slots.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const recorded = this.at(middle);
      if (recorded !== undefined && holds(recorded)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export class EventRing {
  readonly #calls: Ring;
  readonly #others: Ring;
  readonly #first: number;
  #last: number;
  readonly #listeners = new Set<() => void>();

  /**
   * @param now milliseconds since 1970. Ids begin with a thousand times that, so that those of a daemon are
   *   above those of the one before it
   */
  constructor(
    private readonly now: () => number = Date.now,
    capacity = defaultCapacity,
  ) {
    this.#calls = new Ring(capacity);
    this.#others = new Ring(capacity);
    this.#first = Math.floor(now()) * 1_000;
    this.#last = this.#first;
  }

  /** Of the newest event; before the first one, of none. */
  get last(): number {
    return this.#last;
  }

  add(event: Event): void {
    this.#last += 1;
    const ring = event.kind === 'call' ? this.#calls : this.#others;
    ring.add({ id: this.#last, at: this.now(), event });
    for (const listener of this.#listeners) listener();
  }

  /** The listener is called after each event, and must do next to nothing. Answers with what ends that. */
  onEvent(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The cursor before the first event that is kept and not older than this. */
  cursorAt(time: number): number {
    const since = [this.#calls, this.#others].flatMap((ring) => {
      const found = ring.at(ring.first(({ at }) => at >= time));
      return found === undefined ? [] : [found.id];
    });
    return since.length === 0 ? this.#last : Math.min(...since) - 1;
  }

  /** The cursor before everything that is kept: whoever reads from there misses nothing that is still there. */
  get oldest(): number {
    const first = [this.#calls.at(0), this.#others.at(0)].flatMap((each) => each?.id ?? []);
    return first.length === 0 ? this.#last : Math.min(...first) - 1;
  }

  /**
   * Up to `most` of the wanted events after the cursor. A cursor that this daemon has not given is one of
   * another daemon: that is a gap, and everything follows.
   */
  after(cursor: number, most: number, wanted: (event: Event) => boolean = () => true): Page {
    const gaps: Gap[] = [];
    let from = cursor;
    if (cursor < this.#first || cursor > this.#last) {
      gaps.push({ of: 'all', from: cursor + 1, to: this.#first });
      from = this.#first;
    }
    const rings = [this.#calls, this.#others] as const;
    for (const [index, { lost }] of rings.entries()) {
      if (lost > from) gaps.push({ of: index === 0 ? 'call' : 'other', from: from + 1, to: lost });
    }
    const next = rings.map((ring) => ring.first(({ id }) => id > from));
    const events: Recorded[] = [];
    while (events.length < most) {
      const [call, other] = rings.map((ring, index) => ring.at(next[index] ?? 0));
      const index = call !== undefined && (other === undefined || call.id < other.id) ? 0 : 1;
      const recorded = index === 0 ? call : other;
      if (recorded === undefined) return { gaps, events, cursor: this.#last, more: false };
      next[index] = (next[index] ?? 0) + 1;
      from = recorded.id;
      if (wanted(recorded.event)) events.push(recorded);
    }
    return { gaps, events, cursor: from, more: from < this.#last };
  }
}
