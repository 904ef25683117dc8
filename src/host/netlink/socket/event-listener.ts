/** Hears the kernel's reports of changes as long as the daemon runs: opens its socket again whenever that ends. */
import type { Socket } from 'node:net';
import { codeOf, messageOf } from '../../../core/errors.js';
import type { Log } from '../../../driver/host.js';
import { type EventSource, openEvents } from './event-calls.js';

export interface EventReader {
  /** The kernel's messages; must not throw. */
  read(datagram: Buffer): void;
  /** Some reports were lost, and more will be until {@link lostTrack} is called. */
  gap(): void;
  /** From now on all reports are heard again: what they are about has to be read anew. */
  lostTrack(): void;
}

/** Milliseconds until the socket is opened again after an overrun: so many changes at a time are over soon. */
const overrunMs = 100;
/** Milliseconds until the socket is opened again after other failures: doubled each time, up to `last`. */
const restartMs = { first: 200, last: 10_000 };
/** Milliseconds without a failure after which the doubling starts anew, and the next failure is logged again. */
const steadyMs = 30_000;

export class EventListener {
  #stream: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** When the socket was opened; undefined while it is not open. */
  #opened: number | undefined;
  #wait = restartMs.first;
  #overrunLogged = Number.NEGATIVE_INFINITY;

  constructor(
    /** What the reports are about, for messages: `changes of rules`. */
    private readonly subject: string,
    private readonly source: EventSource,
    private readonly reader: EventReader,
    private readonly log: Log,
    private readonly open: (source: EventSource) => Socket = openEvents,
  ) {}

  /** Nothing is missed after it. A failure is logged, and tried again until {@link EventReader.lostTrack}. */
  start(): void {
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#stream?.destroy();
  }

  /** Why reports are not heard at the moment, as a sentence; undefined if they are. */
  get problem(): string | undefined {
    return this.#stream === undefined && !this.#stopped
      ? `${this.subject} by others are not seen: the listener does not run`
      : undefined;
  }

  /** Opens the socket. @returns whether that succeeded */
  #open(): boolean {
    let stream: Socket;
    try {
      stream = this.open(this.source);
    } catch (error) {
      this.#again(error);
      return false;
    }
    this.#stream = stream;
    this.#opened = performance.now();
    let reason: unknown;
    stream.on('data', (datagram) => this.reader.read(datagram));
    stream.on('error', (error) => {
      reason = error;
    });
    stream.on('close', () => {
      this.#stream = undefined;
      this.#again(reason);
    });
    return true;
  }

  #again(reason: unknown): void {
    if (this.#stopped) return;
    this.reader.gap();
    const now = performance.now();
    const steady = this.#opened !== undefined && now - this.#opened > steadyMs;
    this.#opened = undefined;
    const fields = { subject: this.subject, error: messageOf(reason) };
    const isOverrun = codeOf(reason) === 'ENOBUFS';
    if (isOverrun) {
      if (now - this.#overrunLogged > steadyMs) {
        this.log.warn(fields, 'reports of the kernel were lost; everything is looked at again');
      }
      this.#overrunLogged = now;
    } else {
      this.#wait = steady ? restartMs.first : this.#wait;
      this.log.warn({ ...fields, restartMs: this.#wait }, 'listening to the kernel ended');
    }
    this.#timer = setTimeout(
      () => {
        if (!this.#open()) return;
        // A transaction that began before the socket was open is not reported as a whole either.
        this.reader.gap();
        this.reader.lostTrack();
      },
      isOverrun ? overrunMs : this.#wait,
    );
    if (!isOverrun) this.#wait = Math.min(this.#wait * 2, restartMs.last);
  }
}
