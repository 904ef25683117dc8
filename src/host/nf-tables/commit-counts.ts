/** Counts commits of rules, separately for each transport. */
import type { RuleCommitCounts, RuleTransport, TransportCounts } from '../../driver/host.js';

export class CommitCounts {
  readonly #transports: Record<RuleTransport, TransportCounts> = {
    netlink: { commits: 0, changes: 0, milliseconds: 0 },
    restore: { commits: 0, changes: 0, milliseconds: 0 },
  };
  #lastRestore: string | undefined;

  /** @param why of a commit by `restore`: the reason why netlink did not make it */
  note(transport: RuleTransport, changes: number, milliseconds: number, why?: string): void {
    const before = this.#transports[transport];
    this.#transports[transport] = {
      commits: before.commits + 1,
      changes: before.changes + changes,
      milliseconds: before.milliseconds + milliseconds,
    };
    if (why !== undefined) this.#lastRestore = why;
  }

  snapshot(): RuleCommitCounts {
    const lastRestore = this.#lastRestore;
    return { ...this.#transports, ...(lastRestore === undefined ? {} : { lastRestore }) };
  }
}
