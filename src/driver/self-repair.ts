/** What watches over rules, links and settings while the daemon runs, and puts them right. */
import type { Author, Log } from './host.js';
import { LinkWatch } from './link-watch.js';
import { repairRulesRunning } from './reconcile.js';
import { SysctlWatch } from './sysctl-watch.js';
import { Watch, type WatchStatus } from './watch.js';
import type { World } from './world.js';

export interface RepairStatus {
  readonly rules: WatchStatus;
  /** Bridges, their addresses, and the ports on them. */
  readonly links: WatchStatus;
  /** Values below /proc/sys. */
  readonly settings: WatchStatus;
}

export class SelfRepair {
  readonly #rules: Watch;
  readonly #links: LinkWatch;
  readonly #settings: SysctlWatch;
  #started = false;

  constructor(world: World, log: Log) {
    this.#rules = new Watch('rules', (settled) => repairRulesRunning(world, settled), log);
    this.#links = new LinkWatch(world, log);
    this.#settings = new SysctlWatch(world, log);
  }

  /** Call it when it is known what should be there; signs that came before count. */
  start(): void {
    this.#started = true;
    this.rulesChanged();
    this.linkChanged();
    this.#settings.start();
  }

  rulesChanged(author?: Author): void {
    if (this.#started) this.#rules.changed(author);
  }

  /** @param name without it: any link may have changed */
  linkChanged(name?: string): void {
    if (this.#started) this.#links.changed(name);
  }

  status(): RepairStatus {
    return {
      rules: this.#rules.status(),
      links: this.#links.status(),
      settings: this.#settings.status(),
    };
  }

  stop(): void {
    this.#started = false;
    this.#rules.stop();
    this.#links.stop();
    this.#settings.stop();
  }
}
