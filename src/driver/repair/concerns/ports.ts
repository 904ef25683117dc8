/**
 * Sockets of published ports. No event tells of one that the proxy process holds without need, or lacks
 * because another program has the port, so that what it holds is compared with what it should hold.
 */
import type { World } from '../../world.js';
import type { Concern, Occasion, Poll } from './concern.js';

/** How soon a port is bound that has become free. With thousands of ports a comparison takes some 30 ms. */
const intervalMs = 15_000;

export class PortConcern implements Concern {
  readonly name = 'ports';
  readonly signs = ['start'] as const;
  readonly poll: Poll = {
    intervalMs,
    differs: async () => (await this.differences()).length > 0,
  };

  constructor(private readonly world: Pick<World, 'hostPorts'>) {}

  differences(): Promise<string[]> {
    return this.world.hostPorts.differences();
  }

  /**
   * At a start, recovery itself has the proxy process hold all its ports. A port that another program has is
   * not repaired: it stays among the differences.
   */
  async repair(occasion: Occasion): Promise<string[]> {
    return occasion === 'start' ? [] : this.world.hostPorts.repair();
  }
}
