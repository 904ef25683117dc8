/**
 * Who changes rules and links beside us: `nft monitor` and `ip monitor` as children. They survive
 * overruns, which an in-process netlink monitor of the netlink package does not. What they print is
 * only a sign to look again; nothing is taken from it but the name of who did it.
 */
import { createInterface } from 'node:readline';
import type { Log } from '../driver/host.js';
import { type LongProcess, spawnProcess } from './exec.js';
import type { FirewallIptables } from './firewall-iptables.js';
import { type RuleTransaction, TransactionReader } from './nft-events.js';

export interface MonitorEvents {
  /** Every transaction, our own ones too. iptables-nft and nft only. */
  ruleTransaction(transaction: RuleTransaction): void;
  /** Rules changed, by a process that is not ours. */
  rulesChanged(author: string): void;
  /** A link or one of its addresses changed, by anyone; without a name: any of them. */
  linkChanged(name: string | undefined): void;
}

/** Between the end of a child and the start of the next: doubled each time, up to the last. */
const restartMs = { first: 200, last: 10_000 };
/** A child that ran so long starts the doubling anew. */
const steadyMs = 30_000;
/** How soon a change by iptables-legacy is seen. */
const pollMs = 1_000;

export class Monitor {
  readonly #children = new Set<LongProcess>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(
    private readonly events: MonitorEvents,
    private readonly firewall: FirewallIptables | undefined,
    private readonly log: Log,
  ) {}

  start(): void {
    const { firewall } = this;
    if (firewall?.variant(4) === 'legacy') this.#poll(firewall, undefined);
    else if (firewall !== undefined) {
      const reader = new TransactionReader();
      this.#keep('nft', ['-a', 'monitor'], (line) => {
        const transaction = reader.read(line);
        if (transaction === undefined) return;
        this.events.ruleTransaction(transaction);
        const { pid, program } = transaction;
        if (!firewall.isOwn(pid)) this.events.rulesChanged(`${program} (process ${pid})`);
      });
    }
    this.#keep('ip', ['-o', 'monitor', 'link', 'address'], (line) => {
      const name = parseLinkLine(line);
      if (name !== undefined) this.events.linkChanged(name);
    });
  }

  /** The kernel says nothing of changes by iptables-legacy, so the rules are read again and again. */
  #poll(firewall: FirewallIptables, last: string | undefined): void {
    this.#later(pollMs, async () => {
      let text = last;
      try {
        text = withoutComments(await firewall.read(4));
        if (firewall.supports(6)) text += withoutComments(await firewall.read(6));
      } catch (error) {
        this.log.warn({ error }, 'reading the rules failed');
      }
      // Our own commits are seen here too: the look that follows finds nothing to do.
      if (last !== undefined && text !== last) this.events.rulesChanged('unknown');
      this.#poll(firewall, text);
    });
  }

  #later(delayMs: number, work: () => unknown): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, delayMs);
    this.#timers.add(timer);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const child of this.#children) child.kill('SIGTERM');
  }

  #keep(
    file: string,
    args: readonly string[],
    onLine: (line: string) => void,
    delay = restartMs.first,
  ): void {
    if (this.#stopped) return;
    const started = Date.now();
    const child = spawnProcess(file, args, { stderr: 'pipe' });
    this.#children.add(child);
    if (child.stdout !== undefined) createInterface({ input: child.stdout }).on('line', onLine);
    // "No buffer space available": events were lost, so something changed.
    if (child.stderr !== undefined) {
      createInterface({ input: child.stderr }).on('line', () => this.#lostTrack(file));
    }
    void child.ended.then(({ description }) => {
      this.#children.delete(child);
      if (this.#stopped) return;
      const steady = Date.now() - started > steadyMs;
      const wait = steady ? restartMs.first : delay;
      this.log.warn({ program: file, error: description, restartMs: wait }, 'monitor ended');
      this.#later(wait, () => {
        this.#keep(file, args, onLine, Math.min(wait * 2, restartMs.last));
        this.#lostTrack(file);
      });
    });
  }

  #lostTrack(file: string): void {
    if (file === 'nft') this.events.rulesChanged('unknown');
    else this.events.linkChanged(undefined);
  }
}

/** `12: veth1@if11: <…`, `Deleted 3: br-0    inet 10.5.0.1/24 …`, as `ip -o monitor` prints them. */
export function parseLinkLine(line: string): string | undefined {
  return /^(?:Deleted )?\d+: ([^\s:@]+)[:@\s]/.exec(line)?.[1];
}

/** Save text has the time of day in its comments, and counters where the chains are declared. */
function withoutComments(text: string): string {
  return text.replace(/^#.*\n/gm, '').replace(/ \[\d+:\d+\]$/gm, '');
}
