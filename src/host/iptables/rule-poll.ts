/**
 * The kernel reports no changes by iptables-legacy, so the rules are read periodically. After a change they
 * are read more often, until they stay the same: so each step of a program that is still at work is a
 * sign, and the repair waits for the last one.
 */
import { background } from '../../background.js';
import type { Family } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import type { Log } from '../../driver/host.js';
import type { IptablesText } from './iptables-text.js';

const restingMs = 1_000;
const watchingMs = 150;
/** The pause after a reading is at least so many times as long as the reading took. */
const share = 5;

export class RulePoll {
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    private readonly firewall: Pick<IptablesText, 'read' | 'supports'>,
    /** Also called after changes by the daemon itself; the repair that follows has nothing to do. */
    private readonly changed: () => void,
    private readonly log: Log,
  ) {}

  start(): void {
    this.#next(undefined, 0);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #next(last: string | undefined, delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      background(this.log, 'polling the rules', this.#poll(last));
    }, delayMs);
  }

  async #poll(last: string | undefined): Promise<void> {
    const started = performance.now();
    let text = last;
    try {
      text = (await this.#read(4)) + (this.firewall.supports(6) ? await this.#read(6) : '');
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'reading the rules failed');
    }
    const changed = last !== undefined && text !== last;
    if (changed && !this.#stopped) this.changed();
    const pause = (performance.now() - started) * share;
    this.#next(text, Math.max(pause, changed ? watchingMs : restingMs));
  }

  /** Save text has the time of day in its comments, and counters where the chains are declared. */
  async #read(family: Family): Promise<string> {
    const text = await this.firewall.read(family);
    return text.replace(/^#.*\n/gm, '').replace(/ \[\d+:\d+\]$/gm, '');
  }
}
