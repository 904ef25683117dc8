/**
 * Watches what other programs change, by `nft monitor` and `ip monitor` as child processes: a monitor inside
 * of the daemon, by the netlink package, would end the daemon when the kernel's buffer overruns. What they
 * print is a sign to read the rules or links again, and says which program made the change.
 */
import type { Log } from '../driver/host.js';
import type { RuleWatch } from './iptables/rule-watch.js';
import { KeptChild } from './process/kept-child.js';

export class Monitor {
  readonly #parts: readonly RuleWatch[];

  /** @param linkChanged a program has changed a link or its addresses; without a name: it may be any link */
  constructor(rules: RuleWatch | undefined, linkChanged: (name?: string) => void, log: Log) {
    const links = {
      line: (text: string) => {
        const name = parseLinkLine(text);
        if (name !== undefined) linkChanged(name);
      },
      lostTrack: () => linkChanged(),
    };
    this.#parts = [
      ...(rules === undefined ? [] : [rules]),
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

/** `12: veth1@if11: <…`, `Deleted 3: br-0    inet 10.5.0.1/24 …`, as `ip -o monitor` prints them. */
export function parseLinkLine(line: string): string | undefined {
  return /^(?:Deleted )?\d+: ([^\s:@]+)[:@\s]/.exec(line)?.[1];
}
