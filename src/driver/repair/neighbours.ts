/** Keeps the host's answers for containers' addresses on other interfaces. */
import { messageOf } from '../../core/errors.js';
import type { World } from '../world.js';
import type { Concern, Occasion } from './concern.js';

type AnsweringWorld = Pick<World, 'neighbourProxies' | 'log'>;

/** The kernel tells of an interface that goes, with which its entries go, but not of a single entry. */
const pollMs = 60_000;

export class NeighbourConcern implements Concern {
  readonly name = 'neighbours';
  readonly signs = ['start', 'routes'] as const;
  readonly poll = {
    intervalMs: pollMs,
    differs: async () => (await this.differences()).length > 0,
  };

  constructor(private readonly world: AnsweringWorld) {}

  differences(): Promise<string[]> {
    return this.world.neighbourProxies.repair(true);
  }

  /** After a boot the interface may come up later than the daemon: what fails then is done by a repair. */
  async repair(occasion: Occasion): Promise<string[] | 'too-early'> {
    if (occasion !== 'start') return this.world.neighbourProxies.repair(false);
    try {
      return await this.world.neighbourProxies.repair(false);
    } catch (error) {
      this.world.log.info({ error: messageOf(error) }, 'neighbours are answered after the start');
      return 'too-early';
    }
  }
}
