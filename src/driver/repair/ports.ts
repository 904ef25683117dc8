/**
 * Sockets of published ports. Nobody tells of one that the proxy process holds in vain, or lacks because
 * another program has the port: what it holds is compared with what is wanted.
 */
import type { World } from '../world.js';
import type { Concern, Occasion, Poll, Sign } from './concern.js';

/** A port may have become free. With thousands of ports a comparison takes some 30 ms. */
const intervalMs = 15_000;

export class PortConcern implements Concern {
  readonly name = 'ports';
  readonly poll: Poll = {
    intervalMs,
    look: async () => (await this.differences()).length > 0,
  };

  constructor(private readonly world: Pick<World, 'hostPorts'>) {}

  signs(sign: Sign): boolean {
    return sign.kind === 'start';
  }

  differences(): Promise<string[]> {
    return this.world.hostPorts.differences();
  }

  /** A start states all that is wanted by itself. A port that another program has stays a difference. */
  async repair(occasion: Occasion): Promise<string[]> {
    return occasion === 'start' ? [] : this.world.hostPorts.repair();
  }
}
