/** Keeps the routes that the driver has added inside of containers. */
import type { World } from '../../world.js';
import type { Signs } from '../signs.js';
import type { Concern, Occasion } from './concern.js';

type RoutedWorld = Pick<World, 'containerRoutes' | 'registry'>;

/**
 * Milliseconds between two comparisons: outside of a container, the kernel does not tell what becomes of its routes.
 */
const pollMs = 60_000;

export class ContainerRouteConcern implements Concern {
  readonly name = 'container-routes';
  readonly signs = ['start', 'links'] as const;
  readonly poll = {
    intervalMs: pollMs,
    differs: async () => (await this.differences()).length > 0,
  };

  constructor(private readonly world: RoutedWorld) {}

  differences(): Promise<string[]> {
    return this.world.containerRoutes.repair(true, this.world.registry.endpoints());
  }

  repair(occasion: Occasion, { links }: Signs): Promise<string[]> {
    const { containerRoutes, registry } = this.world;
    // A comparison by {@link poll} names no link: the repair that follows is about all endpoints.
    const touched =
      links === 'any' || links.size === 0 || occasion === 'start' || occasion === 'request'
        ? registry.endpoints()
        : [...new Set([...links].flatMap((name) => registry.endpointWith(name) ?? []))];
    return containerRoutes.repair(false, touched);
  }
}
