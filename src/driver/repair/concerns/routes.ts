/** Keeps the host's routes that carry our protocol number. */
import { messageOf } from '../../../core/errors.js';
import type { World } from '../../world.js';
import type { Concern, Occasion } from './concern.js';

type RoutedWorld = Pick<World, 'hostRoutes' | 'log'>;

/** The kernel tells of a removed route, but not of one that another program has put in its place. */
const pollMs = 60_000;

export class RouteConcern implements Concern {
  readonly name = 'routes';
  readonly signs = ['start', 'routes'] as const;
  readonly poll = {
    intervalMs: pollMs,
    differs: async () => (await this.world.hostRoutes.repair(true, 'if-likely')).length > 0,
  };

  constructor(private readonly world: RoutedWorld) {}

  differences(): Promise<string[]> {
    return this.world.hostRoutes.repair(true);
  }

  /**
   * After a boot, interfaces that routes need may come up later than the daemon: routes that fail during its start are
   * added by a repair.
   */
  async repair(occasion: Occasion): Promise<string[] | 'too-early'> {
    // An operator who asks for a repair expects that the host is looked at in any case.
    const look = occasion === 'request' ? 'always' : 'if-likely';
    if (occasion !== 'start') return this.world.hostRoutes.repair(false, look);
    try {
      return await this.world.hostRoutes.repair(false);
    } catch (error) {
      this.world.log.info({ error: messageOf(error) }, 'routes are added after the start');
      return 'too-early';
    }
  }
}
