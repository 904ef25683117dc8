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

/** The rules that a reading found, and how often the daemon had written rules when the reading began. */
interface Reading {
  readonly text: string;
  readonly writes: number;
}

export class RulePoll {
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    private readonly firewall: Pick<IptablesText, 'read' | 'supports'> & {
      /** How often the daemon has written rules. */
      readonly writes: number;
    },
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

  #next(last: Reading | undefined, delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      background(this.log, 'polling the rules', this.#poll(last));
    }, delayMs);
  }

  async #poll(last: Reading | undefined): Promise<void> {
    const started = performance.now();
    let found = last;
    try {
      const { writes } = this.firewall;
      const text = (await this.#read(4)) + (this.firewall.supports(6) ? await this.#read(6) : '');
      found = { text, writes };
    } catch (error) {
      this.log.warn({ error: messageOf(error) }, 'reading the rules failed');
    }
    // The same text counts as a change, too, if the daemon has written rules since the last reading: somebody may have undone
    // what it wrote, as a second `iptables -F` does right after the repair of the first one.
    const changed =
      last !== undefined &&
      found !== undefined &&
      (found.text !== last.text || found.writes !== last.writes);
    if (changed && !this.#stopped) this.changed();
    const pause = (performance.now() - started) * share;
    this.#next(found, Math.max(pause, changed ? watchingMs : restingMs));
  }

  /** Save text has the time of day in its comments, and counters where the chains are declared. */
  async #read(family: Family): Promise<string> {
    const text = await this.firewall.read(family);
    return text.replace(/^#.*\n/gm, '').replace(/ \[\d+:\d+\]$/gm, '');
  }
}
