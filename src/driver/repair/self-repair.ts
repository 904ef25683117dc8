/** What watches over rules, links and settings while the daemon runs, and puts them right. */
import type { Family } from '../../core/address.js';
import type { Author, Log } from '../host.js';
import { DeadWatch } from '../orphans/dead-endpoints.js';
import type { World } from '../world.js';
import { Watch, type WatchStatus } from './debounce.js';
import { LinkWatch } from './link-watch.js';
import { repairRulesRunning } from './rules.js';
import { SysctlWatch } from './sysctl-watch.js';
import { repairZonesRunning } from './zones.js';

export interface RepairStatus {
  readonly rules: WatchStatus;
  /** Bridges, their addresses, and the ports on them. */
  readonly links: WatchStatus;
  /** Values below /proc/sys. */
  readonly settings: WatchStatus;
  /** firewalld's, for bridges. */
  readonly zones: WatchStatus;
}

export class SelfRepair {
  readonly #rules: Watch;
  readonly #links: LinkWatch;
  readonly #settings: SysctlWatch;
  readonly #zones: Watch;
  readonly #dead: DeadWatch;
  /** Whose rules somebody has changed since they were right. */
  readonly #touched = new Set<Family>();
  #started = false;

  constructor(world: World, log: Log) {
    this.#rules = new Watch('rules', (settled) => this.#repairRules(world, settled), log);
    this.#links = new LinkWatch(world, log);
    this.#settings = new SysctlWatch(world, log);
    this.#zones = new Watch('zones', (settled) => repairZonesRunning(world, settled), log);
    this.#dead = new DeadWatch(world);
    // Whatever the monitor has told of it.
    world.rules.onRefusal(() => this.rulesChanged());
  }

  /** Call it when it is known what should be there; signs that came before count. */
  start(): void {
    this.#started = true;
    this.rulesChanged();
    this.linkChanged();
    this.#settings.start();
    this.#zones.changed();
  }

  /** @param families without it: of any; of none, if only other tables than ours changed */
  rulesChanged(author?: Author, families: readonly Family[] = [4, 6]): void {
    if (!this.#started) return;
    for (const family of families) this.#touched.add(family);
    if (families.length > 0) this.#rules.changed(author);
    if (author?.program === 'firewalld') this.#zones.changed(author);
  }

  /** @param name without it: any link may have changed */
  linkChanged(name?: string): void {
    if (!this.#started) return;
    this.#links.changed(name);
    this.#dead.changed(name);
  }

  /** Of the other family nothing is read, which is what a look costs. */
  async #repairRules(world: World, settled: boolean): ReturnType<typeof repairRulesRunning> {
    const families = [...this.#touched];
    this.#touched.clear();
    const again = (): void => {
      for (const family of families) this.#touched.add(family);
    };
    try {
      const done = await repairRulesRunning(world, settled, families);
      if (done === 'unsettled') again();
      return done;
    } catch (error) {
      again();
      throw error;
    }
  }

  status(): RepairStatus {
    return {
      rules: this.#rules.status(),
      links: this.#links.status(),
      settings: this.#settings.status(),
      zones: this.#zones.status(),
    };
  }

  stop(): void {
    this.#started = false;
    this.#rules.stop();
    this.#links.stop();
    this.#settings.stop();
    this.#zones.stop();
    this.#dead.stop();
  }
}
