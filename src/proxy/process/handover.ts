/**
 * Hands the listening sockets of one proxy process to another, which runs newer code. Both have them then,
 * and either may accept a waiting connection until the old one closes its copies: no client is refused, and
 * the kernel's queue stays. Connections stay with the process that has accepted them.
 */
import { unlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf } from '../../core/errors.js';
import type { WireListener } from '../control.js';
import type { HeldSocket, Holder } from './holder.js';
import { DescriptorChannel, descriptorsAtOnce } from './system/descriptor-channel.js';
import { type EventLoop, epoll } from './system/event-loop.js';
import type { Layouts, SystemCalls } from './system/system-calls.js';

/** The text of a message with descriptors: their owners, in order; the last message has the number of all. */
interface Words {
  readonly sockets: readonly (readonly [owner: string, wire: WireListener])[];
  readonly total?: number;
}

export interface HandoverParts {
  readonly system: SystemCalls;
  readonly layouts: Layouts;
  readonly loop: EventLoop;
  readonly holder: Holder;
}

/** How long to wait for room to send one message, and for the last message to arrive. */
const patienceMs = 5_000;

export class Handover {
  readonly #channel: DescriptorChannel;
  #received: HeldSocket[] = [];
  readonly #open = new Set<number>();
  #state: 'idle' | 'receiving' | 'complete' | { readonly failed: string } = 'idle';

  constructor(private readonly parts: HandoverParts) {
    this.#channel = new DescriptorChannel(parts.system, parts.layouts);
  }

  /** Sends duplicates of all sockets to the process that listens on `path`; answers with their number. */
  async give(path: string): Promise<number> {
    const sockets = this.parts.holder.sockets();
    const fd = this.#channel.connect(path);
    try {
      for (let start = 0; start < sockets.length; start += descriptorsAtOnce) {
        const some = sockets.slice(start, start + descriptorsAtOnce);
        const words: Words = { sockets: some.map(({ owner, wire }) => [owner, wire]) };
        await this.#send(fd, words, some);
      }
      await this.#send(fd, { sockets: [], total: sockets.length }, []);
      return sockets.length;
    } finally {
      this.parts.loop.close(fd);
    }
  }

  /** Listens on `path` until one process has given all it has. */
  receive(path: string): void {
    this.#discard();
    this.#state = 'receiving';
    unlinkQuietly(path);
    const before = process.umask(0o177);
    let listener: number;
    try {
      listener = this.#channel.listen(path);
    } finally {
      process.umask(before);
    }
    const { loop } = this.parts;
    this.#open.add(listener);
    loop.watch(listener, epoll.in, {
      ready: () => {
        const fd = this.#channel.accept(listener);
        if (fd === undefined) return;
        loop.close(listener);
        this.#open.delete(listener);
        this.#open.add(fd);
        unlinkQuietly(path);
        loop.watch(fd, epoll.in, { ready: () => this.#collect(fd) });
      },
    });
  }

  /** Begins to serve the received sockets. Throws if some are missing, and then serves none of them. */
  async adopt(): Promise<number> {
    const { holder } = this.parts;
    await until(() => this.#state !== 'receiving', 'not all sockets have come');
    const state = this.#state;
    if (state !== 'complete') {
      this.#discard();
      throw new Error(typeof state === 'string' ? 'no sockets were asked for' : state.failed);
    }
    const received = this.#received;
    this.#received = [];
    this.#state = 'idle';
    for (const socket of received) holder.adopt(socket);
    return received.length;
  }

  #collect(fd: number): void {
    try {
      for (;;) {
        const message = this.#channel.receive(fd);
        if (message === undefined) return;
        const words = JSON.parse(message.text) as Words;
        if (words.sockets.length !== message.descriptors.length) {
          for (const each of message.descriptors) this.#channel.close(each);
          throw new Error('there is no descriptor left for a socket');
        }
        for (const [index, [owner, wire]] of words.sockets.entries()) {
          this.#received.push({ owner, wire, fd: message.descriptors[index] ?? -1 });
        }
        if (words.total === undefined) continue;
        if (words.total !== this.#received.length) throw new Error('some sockets are missing');
        this.#state = 'complete';
        break;
      }
    } catch (error) {
      this.#state = { failed: messageOf(error) };
    }
    this.#open.delete(fd);
    this.parts.loop.close(fd);
  }

  /** Gives back what was received and not adopted; nothing more is received. */
  abandon(): void {
    this.#discard();
    for (const fd of this.#open) this.parts.loop.close(fd);
    this.#open.clear();
    this.#state = 'idle';
  }

  #discard(): void {
    for (const { fd } of this.#received) this.#channel.close(fd);
    this.#received = [];
  }

  /** Waits as long as the receiver's queue is full. */
  async #send(fd: number, words: Words, sockets: readonly HeldSocket[]): Promise<void> {
    const text = JSON.stringify(words);
    const message = { text, descriptors: sockets.map((socket) => socket.fd) };
    await until(() => this.#channel.send(fd, message), 'the other process does not read');
  }
}

/** Waits for `done` with pauses, in which connections are served. */
async function until(done: () => boolean, otherwise: string): Promise<void> {
  const latest = performance.now() + patienceMs;
  while (!done()) {
    if (performance.now() > latest) throw new Error(otherwise);
    await nextTurn();
  }
}

/** Fails silently, unlike `removeFile`: an exception in the event loop would end the process and its connections. */
function unlinkQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // There was none, or it stays until the next process takes over at this path.
  }
}
