/** All that is kept right on a host, in the order in which a repair on demand goes through it. */
import { DeadWatch } from '../../orphans/dead-endpoints.js';
import type { World } from '../../world.js';
import type { Concern, SignListener } from './concern.js';
import { ContainerRouteConcern } from './container-routes.js';
import { LimitConcern } from './limits.js';
import { LinkConcern } from './links.js';
import { NeighbourConcern } from './neighbours.js';
import { PortMapConcern } from './port-map.js';
import { PortConcern } from './ports.js';
import { RouteConcern } from './routes.js';
import { RuleConcern } from './rules.js';
import { SettingConcern } from './sysctls.js';
import { ZoneConcern } from './zones.js';

export function hostConcerns(world: World): readonly Concern[] {
  return [
    new RuleConcern(world),
    new PortMapConcern(world),
    new LinkConcern(world),
    new LimitConcern(world),
    new RouteConcern(world),
    new ContainerRouteConcern(world),
    new NeighbourConcern(world),
    new SettingConcern(world),
    new ZoneConcern(world),
    // Last: all else is done then if the proxy process cannot be asked.
    new PortConcern(world),
  ];
}

/** Endpoints whose links go, and whose engine says nothing of it. */
export function deadEndpoints(world: World): SignListener {
  const dead = new DeadWatch(world);
  return {
    noticed: (sign) => {
      if (sign.kind === 'start') dead.changed();
      if (sign.kind === 'link') dead.changed(sign.name);
    },
    stop: () => dead.stop(),
  };
}
