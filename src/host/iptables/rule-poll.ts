/**
 * The kernel says nothing of changes by iptables-legacy, so the rules are read again and again.
 * After a change they are read more often, until they stay the same: a sign for each step of
 * a program that is still at work.
 */
import { background } from '../../background.js';
import type { Family } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import type { Log } from '../../driver/host.js';
import type { IptablesText } from './iptables-text.js';

const restingMs = 1_000;
const watchingMs = 150;
/** Reading takes at most one part in so many of the time. */
const share = 5;

export class RulePoll {
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    private readonly firewall: Pick<IptablesText, 'read' | 'supports'>,
    /** Also called for our own changes: the look that follows finds nothing to do. */
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
    const spared = (performance.now() - started) * share;
    this.#next(text, Math.max(spared, changed ? watchingMs : restingMs));
  }

  /** Save text has the time of day in its comments, and counters where the chains are declared. */
  async #read(family: Family): Promise<string> {
    const text = await this.firewall.read(family);
    return text.replace(/^#.*\n/gm, '').replace(/ \[\d+:\d+\]$/gm, '');
  }
}
