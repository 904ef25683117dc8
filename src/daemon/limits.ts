/** Puts together what answers to `tsbridge set`. */
import { limitRoutes } from '../admin/routes/limits.js';
import type { AdminRoutes } from '../admin/server.js';
import type { World } from '../driver/world.js';
import type { DockerEngine } from '../host/docker/docker-engine.js';
import { LimitSetting } from '../operator/limit-setting.js';
import { EngineContainers } from '../operator/names/engine-containers.js';
import type { NameService } from '../operator/names/name-service.js';

export function setLimitsRoutes(
  world: World,
  names: { readonly engine: DockerEngine; readonly names: NameService } | undefined,
  recovered: Promise<void>,
): AdminRoutes {
  return limitRoutes(new LimitSetting(world, new EngineContainers(names), recovered));
}
