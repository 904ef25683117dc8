/**
 * Whether there is a descriptor for one more connection. Each needs two, and four more while bytes
 * wait in both ways; what is there already must not lack them because of what is new. So listeners
 * pause while three quarters are in use, and clients wait in the kernel's queue.
 */
import { readFileSync } from 'node:fs';
import type { SystemCalls } from './system/system-calls.js';

const share = 0.75;
const retryMs = 100;

export interface Pausable {
  resume(): void;
}

export class Admission {
  readonly #limit: number;
  #paused: Pausable[] = [];

  constructor(
    private readonly system: SystemCalls,
    descriptors = descriptorLimit(),
  ) {
    this.#limit = descriptors * share;
  }

  /** Whether no listener should take another connection, after one has become `fd`. */
  isFull(fd: number): boolean {
    // The kernel gives the lowest number that is free.
    return fd >= this.#limit;
  }

  /** Resumes it when there are descriptors again. */
  pause(listener: Pausable): void {
    this.#paused.push(listener);
    if (this.#paused.length === 1) setTimeout(() => this.#retry(), retryMs);
  }

  #retry(): void {
    const free = this.system.dup(0);
    if (free >= 0) this.system.close(free);
    if (free < 0 || this.isFull(free)) {
      setTimeout(() => this.#retry(), retryMs);
      return;
    }
    const paused = this.#paused;
    this.#paused = [];
    for (const listener of paused) listener.resume();
  }
}

/** Node raises its limit to the highest that it may at its start. */
function descriptorLimit(): number {
  const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return soft === undefined ? 1024 : Number(soft);
}
