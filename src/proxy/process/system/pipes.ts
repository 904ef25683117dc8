/**
 * Pipes through which splice(2) moves bytes from one socket to another without copying them. A
 * connection has one only while bytes of it are on their way, so idle connections need none.
 */
import { fileFlag } from '../../../linux.js';
import type { SystemCalls } from './system-calls.js';

export interface Pipe {
  readonly from: number;
  readonly to: number;
}

/** How much of one direction of a connection waits here for a slow reader, at most. */
export const pipeBytes = 1024 * 1024;
const spare = 8;
const setPipeSize = 1031;

export class Pipes {
  readonly #idle: Pipe[] = [];
  readonly #made = new Int32Array(2);

  constructor(private readonly system: SystemCalls) {}

  /** An empty pipe; undefined if the process has no descriptor left. */
  take(): Pipe | undefined {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.system.pipe2(this.#made, fileFlag.nonBlocking | fileFlag.closeOnExec) < 0)
      return undefined;
    const [from = -1, to = -1] = this.#made;
    // If the kernel refuses the size, its default is large enough.
    this.system.fcntl(to, setPipeSize, pipeBytes);
    return { from, to };
  }

  /** Keeps the pipe for the next connection; `empty` is false if bytes are left in it. */
  give(pipe: Pipe, empty: boolean): void {
    if (empty && this.#idle.length < spare) {
      this.#idle.push(pipe);
      return;
    }
    this.system.close(pipe.from);
    this.system.close(pipe.to);
  }
}
