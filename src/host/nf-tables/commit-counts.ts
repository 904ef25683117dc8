/** Counts commits of rules by the way that they went. */
import type { RuleCommitCounts, RuleWay, WayCounts } from '../../driver/host.js';

export class CommitCounts {
  readonly #ways: Record<RuleWay, WayCounts> = {
    netlink: { commits: 0, changes: 0, milliseconds: 0 },
    restore: { commits: 0, changes: 0, milliseconds: 0 },
  };
  #lastRestore: string | undefined;

  /** @param why the reason of a commit by another way than netlink */
  note(way: RuleWay, changes: number, milliseconds: number, why?: string): void {
    const before = this.#ways[way];
    this.#ways[way] = {
      commits: before.commits + 1,
      changes: before.changes + changes,
      milliseconds: before.milliseconds + milliseconds,
    };
    if (why !== undefined) this.#lastRestore = why;
  }

  snapshot(): RuleCommitCounts {
    const lastRestore = this.#lastRestore;
    return { ...this.#ways, ...(lastRestore === undefined ? {} : { lastRestore }) };
  }
}
