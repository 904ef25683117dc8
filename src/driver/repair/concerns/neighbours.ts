/** Keeps the entries by which the host answers neighbour solicitations for containers (`tsbridge.ndp_proxy`). */
import { messageOf } from '../../../core/errors.js';
import type { World } from '../../world.js';
import type { Concern, Occasion } from './concern.js';

type AnsweringWorld = Pick<World, 'neighbourProxies' | 'log'>;

/**
 * Milliseconds between two comparisons: the kernel tells when an interface goes, and its entries with it, but not when
 * a single entry goes.
 */
const pollMs = 60_000;

export class NeighbourConcern implements Concern {
  readonly name = 'neighbours';
  readonly signs = ['start', 'routes'] as const;
  readonly poll = {
    intervalMs: pollMs,
    differs: async () => (await this.world.neighbourProxies.repair(true, 'if-likely')).length > 0,
  };

  constructor(private readonly world: AnsweringWorld) {}

  differences(): Promise<string[]> {
    return this.world.neighbourProxies.repair(true);
  }

  /**
   * A failure at the start of the daemon is `too-early`, so that a later repair tries again: after a boot, the
   * interface may come up later than the daemon.
   */
  async repair(occasion: Occasion): Promise<string[] | 'too-early'> {
    // An operator who asks for a repair expects that the host is looked at in any case.
    const look = occasion === 'request' ? 'always' : 'if-likely';
    if (occasion !== 'start') return this.world.neighbourProxies.repair(false, look);
    try {
      return await this.world.neighbourProxies.repair(false);
    } catch (error) {
      this.world.log.info({ error: messageOf(error) }, 'neighbours are answered after the start');
      return 'too-early';
    }
  }
}
