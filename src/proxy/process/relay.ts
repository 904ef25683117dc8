/**
 * Joins two connections: bytes of each go to the other, independently in both directions. A half-close is
 * passed on, and an error of one resets the other. While one side reads slowly, nothing more is read from
 * the other, so that the kernel slows its sender down.
 */
import { type EventLoop, epoll, type Watcher } from './system/event-loop.js';
import { type Pipe, type Pipes, pipeBytes } from './system/pipes.js';
import type { Sockets } from './system/socket.js';
import { errors, type SystemCalls } from './system/system-calls.js';
import type { TrafficCounts } from './traffic.js';

/** How often a pipe is filled before other connections have their turn. */
const fillsAtOnce = 4;
const shutdownWrite = 1;
const spliceNonBlocking = 2;
const interest = epoll.in | epoll.out | epoll.peerEnded | epoll.edge;
const readableBits = epoll.in | epoll.peerEnded | epoll.hangUp | epoll.error;
const writableBits = epoll.out | epoll.hangUp | epoll.error;

/** What relays share. */
export interface RelayParts {
  readonly system: SystemCalls;
  readonly loop: EventLoop;
  readonly sockets: Sockets;
  readonly pipes: Pipes;
  readonly counts: TrafficCounts;
}

/** One of the two connections, with the bytes from it that the other has not accepted yet. */
class End implements Watcher {
  /** Whether bytes may wait to be read; the kernel's next event sets it. */
  readable = false;
  writable = false;
  /** It has sent its end (FIN), which was passed on to the other. */
  ended = false;
  pipe: Pipe | undefined;
  held = 0;

  constructor(
    private readonly relay: Relay,
    readonly fd: number,
  ) {}

  ready(events: number): void {
    if ((events & readableBits) !== 0) this.readable = true;
    if ((events & writableBits) !== 0) this.writable = true;
    this.relay.progress(this, events);
  }
}

export class Relay {
  readonly #client: End;
  readonly #upstream: End;
  #connected = false;
  #closed = false;

  /** `upstream` is on its way to being connected; both belong to the relay from here on. */
  constructor(
    private readonly parts: RelayParts,
    client: number,
    upstream: number,
    private readonly onEnd: (relay: Relay) => void,
  ) {
    this.#client = new End(this, client);
    this.#upstream = new End(this, upstream);
  }

  begin(): void {
    try {
      for (const end of [this.#client, this.#upstream]) {
        this.parts.loop.watch(end.fd, interest, end);
      }
    } catch (error) {
      this.abort();
      throw error;
    }
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Closes both connections; bytes that the kernel has accepted are still delivered. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of [this.#client, this.#upstream]) {
      this.#release(end);
      this.parts.loop.close(end.fd);
    }
    this.onEnd(this);
  }

  /** Both connections end with a reset. */
  abort(): void {
    if (this.#closed) return;
    for (const { fd } of [this.#client, this.#upstream]) this.parts.sockets.resetOnClose(fd);
    this.close();
  }

  progress(end: End, events: number): void {
    if (this.#closed) return;
    if (!this.#connected) {
      if (end === this.#upstream && (events & epoll.out) !== 0) this.#connected = true;
      if ((events & epoll.error) !== 0) this.abort();
      if (this.#closed || !this.#connected) return;
    }
    const alive =
      this.#carry(this.#client, this.#upstream) && this.#carry(this.#upstream, this.#client);
    // A side that has sent its end is not read any more, so that only the event can tell of its reset.
    if (!alive || ((events & epoll.error) !== 0 && end.ended)) this.abort();
    else if (this.#client.ended && this.#upstream.ended) this.close();
  }

  /** Moves as many bytes as possible without waiting; false if one of the two connections is broken. */
  #carry(from: End, to: End): boolean {
    const { system, loop } = this.parts;
    for (let fills = 0; ; ) {
      if (from.held > 0) {
        if (!to.writable) return true;
        const sent = this.#splice(from.pipe?.from ?? -1, to.fd, from.held);
        if (sent > 0) {
          from.held -= sent;
          if (from === this.#client) this.parts.counts.toContainers += sent;
          else this.parts.counts.toClients += sent;
          continue;
        }
        if (sent < 0 && system.errno() !== errors.EAGAIN) return false;
        to.writable = false;
        return true;
      }
      if (from.ended || !from.readable) break;
      if (fills === fillsAtOnce) {
        loop.defer(from.fd);
        break;
      }
      fills += 1;
      from.pipe ??= this.parts.pipes.take();
      if (from.pipe === undefined) return false;
      const got = this.#splice(from.fd, from.pipe.to, pipeBytes);
      if (got > 0) {
        from.held = got;
      } else if (got === 0) {
        from.ended = true;
        system.shutdown(to.fd, shutdownWrite);
      } else if (system.errno() === errors.EAGAIN) {
        from.readable = false;
      } else {
        return false;
      }
    }
    this.#release(from);
    return true;
  }

  #splice(from: number, to: number, bytes: number): number {
    return this.parts.system.splice(from, null, to, null, bytes, spliceNonBlocking);
  }

  #release(end: End): void {
    if (end.pipe !== undefined) this.parts.pipes.give(end.pipe, end.held === 0);
    end.pipe = undefined;
  }
}
