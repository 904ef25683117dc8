/**
 * Waits by one epoll for the process's own sockets and for Node's event loop, whose descriptor is among them.
 * Whenever that one is readable, Node gets its turns, and the wait goes on after them. So no byte of a
 * connection passes through Node, while control channel, timers and signals are served by Node as usual.
 */
import { fileFlag } from '../../../linux.js';
import {
  type CallFailure,
  failureOf,
  type Layouts,
  nodeLoop,
  type SystemCalls,
} from './system-calls.js';

/** Bits of `events`, from <sys/epoll.h>. */
export const epoll = {
  in: 0x1,
  out: 0x4,
  error: 0x8,
  hangUp: 0x10,
  peerEnded: 0x2000,
  /** Edge-triggered: one event when something changes, in place of events as long as it is so. */
  edge: 0x8000_0000,
} as const;

const add = 1;
const modify = 3;
const eventsAtOnce = 64;
/** After so much work Node gets a turn if it has something to do, however busy the sockets are. */
const sliceMs = 4;
/** After this time Node gets a turn in any case, for its timers. */
const nodeTurnMs = 500;
/** Not one of the kernel's bits: a watcher that asked to be called again. */
const deferred = 1 << 29;

export interface Watcher {
  /** `events` has none of {@link epoll}'s bits after {@link EventLoop.defer}. */
  ready(events: number): void;
}

/** The kernel has no room for one more descriptor to watch. */
export class Unwatchable extends Error {
  override readonly name = 'Unwatchable';
  constructor(readonly failure: CallFailure) {
    super(`${failure.syscall}: ${failure.code}`);
  }
}

export class EventLoop {
  readonly #epoll: number;
  readonly #node = nodeLoop();
  readonly #events: Uint32Array;
  readonly #event: Uint32Array;
  /** Size of an event, in 32-bit words. */
  readonly #size: number;
  readonly #at: Readonly<Record<'events' | 'fd', number>>;
  readonly #watchers: (Watcher | undefined)[] = [];
  /** Descriptor → events that its watcher has not been told yet. */
  readonly #pending: number[] = [];
  /** Descriptors with something pending, in order; some may have been closed since. */
  readonly #queue: number[] = [];
  /**
   * What Node had handled before its last turn; undefined if its timers may have begun something.
   */
  #handled: number | undefined;
  #nodeReady = false;

  constructor(
    private readonly system: SystemCalls,
    { event: { size, at } }: Layouts,
    /** What a watcher throws. */
    private readonly report: (error: unknown) => void,
  ) {
    this.#size = size / 4;
    this.#at = { events: at.events / 4, fd: at.fd / 4 };
    this.#events = new Uint32Array(this.#size * eventsAtOnce);
    this.#event = new Uint32Array(this.#size);
    this.#epoll = system.epoll_create1(fileFlag.closeOnExec);
    if (this.#epoll < 0) throw new Unwatchable(failureOf(system, 'epoll_create1'));
    this.#control(add, this.#node.descriptor, epoll.in);
  }

  /** Begins with Node's next turn, and goes on as long as the process lives. */
  run(): void {
    const turn = (): void => {
      setImmediate(turn);
      this.#turn();
    };
    setImmediate(turn);
  }

  /**
   * From now on `watcher` is told what becomes of `fd`, until {@link close}. Throws
   * {@link Unwatchable}.
   */
  watch(fd: number, events: number, watcher: Watcher): void {
    this.#control(add, fd, events);
    this.#watchers[fd] = watcher;
    this.#pending[fd] = 0;
  }

  /** Replaces the events that are watched for. */
  rewatch(fd: number, events: number): void {
    this.#control(modify, fd, events);
  }

  /** Calls the watcher of `fd` again after others have had their turn. */
  defer(fd: number): void {
    this.#note(fd, deferred);
  }

  /** Closes a descriptor that is watched, or was never. */
  close(fd: number): void {
    this.#watchers[fd] = undefined;
    this.#pending[fd] = 0;
    this.system.close(fd);
  }

  /**
   * Runs after each turn of Node. Node registers a descriptor with its epoll only in the turn after the one in
   * which it began to use it, so this waits only after a turn in which Node had nothing to do.
   */
  #turn(): void {
    const handled = this.#node.handled();
    const idle = handled === this.#handled;
    this.#handled = handled;
    this.#nodeReady = false;
    const end = performance.now() + nodeTurnMs;
    do {
      const wait = idle && this.#queue.length === 0 ? end - performance.now() : 0;
      this.#collect(Math.max(0, Math.ceil(wait)));
      this.#work(performance.now() + sliceMs);
      if (performance.now() < end) continue;
      this.#handled = undefined;
      break;
    } while (idle && !this.#nodeReady);
  }

  /** Calls no watcher, so no descriptor is closed meanwhile, and each event is of the one that is open. */
  #collect(waitMs: number): void {
    const count = this.system.epoll_wait(this.#epoll, this.#events, eventsAtOnce, waitMs);
    for (let start = 0; start < count * this.#size; start += this.#size) {
      const fd = this.#events[start + this.#at.fd] ?? 0;
      if (fd === this.#node.descriptor) this.#nodeReady = true;
      else this.#note(fd, this.#events[start + this.#at.events] ?? 0);
    }
  }

  #note(fd: number, events: number): void {
    const pending = this.#pending[fd] ?? 0;
    if (pending === 0) this.#queue.push(fd);
    this.#pending[fd] = pending | events;
  }

  #work(end: number): void {
    let done = 0;
    for (const fd of this.#queue) {
      done += 1;
      const events = this.#pending[fd] ?? 0;
      this.#pending[fd] = 0;
      if (events !== 0) this.#call(this.#watchers[fd], events);
      if (performance.now() >= end) break;
    }
    this.#queue.splice(0, done);
  }

  #call(watcher: Watcher | undefined, events: number): void {
    try {
      watcher?.ready(events);
    } catch (error) {
      this.report(error);
    }
  }

  #control(operation: number, fd: number, events: number): void {
    this.#event[this.#at.events] = events;
    this.#event[this.#at.fd] = fd;
    if (this.system.epoll_ctl(this.#epoll, operation, fd, this.#event) < 0) {
      throw new Unwatchable(failureOf(this.system, 'epoll_ctl'));
    }
  }
}
