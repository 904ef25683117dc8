/**
 * Who changes rules and links beside us: `nft monitor` and `ip monitor` as children. They survive
 * overruns, which an in-process netlink monitor of the netlink package does not. What they print is
 * a sign to look again, and tells who did it and the numbers of the rules that we have added.
 */

import { type RuleTransaction, TransactionReader } from '../codec/nft-monitor.js';
import type { Family } from '../core/address.js';
import type { Author, Log } from '../driver/host.js';
import type { FirewallIptables } from './iptables/restore-backend.js';
import { RulePoll } from './iptables/rule-poll.js';
import { isInstalled } from './process/exec.js';
import { KeptChild } from './process/kept-child.js';

export interface MonitorEvents {
  /** Every transaction; `pid` is our number of the process, or 0 if it is not ours. nft only. */
  ruleTransaction(transaction: RuleTransaction): void;
  /** Some transactions have not been told. */
  transactionsLost(): void;
  /**
   * Rules of these families changed, by a process that is not ours; without them or it: nobody
   * knows. Of none, if the tables are not those of iptables.
   */
  rulesChanged(author?: Author, families?: readonly Family[]): void;
  /** A link or one of its addresses changed, by anyone; without a name: any of them. */
  linkChanged(name?: string): void;
}

interface MonitorPart {
  start(): void;
  stop(): void;
  /** The program without which changes are not seen, if it does not run. */
  readonly missing?: string | undefined;
}

export class Monitor {
  readonly #parts: readonly MonitorPart[];

  constructor(events: MonitorEvents, firewall: FirewallIptables | undefined, log: Log) {
    const links = {
      line: (text: string) => {
        const name = parseLinkLine(text);
        if (name !== undefined) events.linkChanged(name);
      },
      lostTrack: () => events.linkChanged(),
    };
    this.#parts = [
      ...(firewall === undefined ? [] : [rulePart(events, firewall, log)]),
      new KeptChild('ip', ['-o', 'monitor', 'link', 'address'], links, log),
    ];
  }

  start(): void {
    for (const part of this.#parts) part.start();
  }

  stop(): void {
    for (const part of this.#parts) part.stop();
  }

  /** In words, for the operator. */
  problems(): string[] {
    return this.#parts.flatMap(({ missing }) =>
      missing === undefined
        ? []
        : [`${missing} monitor does not run: changes by others are not seen`],
    );
  }
}

function rulePart(events: MonitorEvents, firewall: FirewallIptables, log: Log): MonitorPart {
  // Nobody needs nft for iptables-nft.
  if (firewall.variant(4) === 'legacy' || !isInstalled('nft')) {
    return new RulePoll(firewall, () => events.rulesChanged(), log);
  }
  const reader = new TransactionReader();
  const line = (text: string): void => {
    const transaction = reader.read(text);
    if (transaction === undefined) return;
    if (transaction === 'lost') {
      gap();
      lostTrack();
      return;
    }
    const { pid, program, families } = transaction;
    const own = firewall.ownProcess(pid, program);
    events.ruleTransaction({ ...transaction, pid: own ?? 0 });
    if (own === undefined) events.rulesChanged({ program, pid }, families);
  };
  const lostTrack = (): void => events.rulesChanged();
  const gap = (): void => events.transactionsLost();
  const told = { line, lostTrack, gap, harmless: unknownExtension };
  return new KeptChild('nft', ['-a', 'monitor'], told, log);
}

/** Debian's nft does not know what iptables adds to nf_tables, and says so for each such rule. */
const unknownExtension = /^XT (?:match|target) \S+ not found$/;

/** `12: veth1@if11: <…`, `Deleted 3: br-0    inet 10.5.0.1/24 …`, as `ip -o monitor` prints them. */
export function parseLinkLine(line: string): string | undefined {
  return /^(?:Deleted )?\d+: ([^\s:@]+)[:@\s]/.exec(line)?.[1];
}
