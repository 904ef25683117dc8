/**
 * Decides who may use the process's file descriptors. Published ports come first: each holds one as long as
 * it is published. Of the rest, UDP flows get a quarter at most; TCP connections stop while a quarter is
 * free. So neither a flood of UDP clients nor one of connections keeps the other or a new port waiting.
 *
 * A connection needs two descriptors, and four more while bytes wait in both directions. Therefore listeners pause
 * while a quarter is free, and clients wait in the kernel's queue. That is enough for about a third of the
 * connections admitted: if more of them stall in both directions at once, the ones that find no pipe are reset.
 */
import { readFileSync } from 'node:fs';
import type { SystemCalls } from './system/system-calls.js';

const connectionShare = 0.75;
const flowShare = 0.25;
/**
 * The connections of one container may use so many times as many descriptors as are still free. A single
 * busy container gets four fifths of all, and each other one always finds some left.
 */
const timesFree = 4;
const retryMs = 100;

/** What all connections of one container have open. */
export interface ConnectionCount {
  connections: number;
}

export interface Pausable {
  readonly owner: ConnectionCount;
  resume(): void;
}

export class Admission {
  /** Sockets of published ports. */
  listeners = 0;
  #paused: Pausable[] = [];

  constructor(
    private readonly system: SystemCalls,
    private readonly descriptors = descriptorLimit(),
  ) {}

  /** How many UDP flows there may be. */
  get flowLimit(): number {
    return Math.max(1, Math.floor((this.descriptors - this.listeners) * flowShare));
  }

  /** Whether `owner` should accept no further connection, after the last one got the descriptor `fd`. */
  isFull(fd: number, owner: ConnectionCount): boolean {
    const most = this.listeners + (this.descriptors - this.listeners) * connectionShare;
    // The kernel gives the lowest free number, so at least that many are in use.
    const free = most - fd;
    return free <= 0 || owner.connections * 2 > free * timesFree;
  }

  /** Keeps the listener until there are descriptors for it again, then resumes it. */
  pause(listener: Pausable): void {
    this.#paused.push(listener);
    if (this.#paused.length === 1) setTimeout(() => this.#retry(), retryMs);
  }

  #retry(): void {
    const free = this.system.dup(0);
    if (free >= 0) this.system.close(free);
    const paused = this.#paused;
    this.#paused = [];
    for (const listener of paused) {
      if (free < 0 || this.isFull(free, listener.owner)) this.#paused.push(listener);
      else listener.resume();
    }
    if (this.#paused.length > 0) setTimeout(() => this.#retry(), retryMs);
  }
}

/** The limit of open files, which Node.js raises at its start as far as it may. */
function descriptorLimit(): number {
  const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  return soft === undefined ? 1024 : Number(soft);
}
