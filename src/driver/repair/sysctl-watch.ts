/** Nothing tells of a change below /proc/sys, so what networks count on is looked at periodically. */
import { ErrorList, messageOf } from '../../core/errors.js';
import type { SysctlPath } from '../../core/network/sysctls.js';
import { type Clock, systemClock } from '../clock.js';
import type { Log } from '../host.js';
import type { World } from '../world.js';
import { Watch, type WatchStatus } from './debounce.js';
import { differingSysctls, repairSysctls } from './sysctls.js';

/** Every network is looked at once in so long. */
const roundMs = 500;
/** But no more of them at a time, so that nobody waits: some 6 µs a value. */
const slice = 100;

export class SysctlWatch {
  readonly #watch: Watch;
  #timer: unknown;
  #next = 0;

  constructor(
    private readonly world: World,
    private readonly log: Log,
    private readonly clock: Clock = systemClock,
  ) {
    this.#watch = new Watch('settings', () => this.#repair(), log, clock);
  }

  start(): void {
    const slices = Math.ceil(this.world.registry.networks().length / slice);
    this.#timer = this.clock.setTimeout(() => {
      void this.#look()
        .catch((error) => this.log.warn({ error: messageOf(error) }, 'reading settings failed'))
        .then(() => {
          if (this.#timer !== undefined) this.start();
        });
    }, roundMs / Math.max(1, slices));
  }

  stop(): void {
    this.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#watch.stop();
  }

  status(): WatchStatus {
    return this.#watch.status();
  }

  async #look(): Promise<void> {
    const { registry, sysctls } = this.world;
    const networks = registry.networks();
    if (this.#next >= networks.length) this.#next = 0;
    const some = networks.slice(this.#next, this.#next + slice);
    this.#next += slice;
    // What is the host's, and no network's own, is read once for all of them.
    const values = new Map<SysctlPath, Promise<string | undefined>>();
    const read = (path: SysctlPath): Promise<string | undefined> => {
      const value = values.get(path) ?? sysctls.read(path);
      values.set(path, value);
      return value;
    };
    for (const { spec, record } of some) {
      if (record.phase !== 'ready') continue;
      if ((await differingSysctls(this.world, spec, read)).length > 0) {
        this.#watch.changed();
        return;
      }
    }
  }

  async #repair(): Promise<string[]> {
    const { registry, networkLocks } = this.world;
    const done: string[] = [];
    const errors = new ErrorList();
    for (const { spec, record } of registry.networks()) {
      await errors.attempt(() =>
        networkLocks.shared(spec.id, async () => {
          if (record.phase !== 'ready') return;
          done.push(...(await repairSysctls(this.world, spec, 'running')));
        }),
      );
    }
    if (errors.failed) throw new Error(errors.message);
    return done;
  }
}
