/** The composition root's part for what operators publish. */
import { publicationRoutes } from '../admin/routes/publications.js';
import type { AdminRoutes } from '../admin/server.js';
import { background } from '../background.js';
import { systemClock } from '../driver/clock.js';
import { PublicationKeeper } from '../driver/publications/keeper.js';
import type { World } from '../driver/world.js';
import type { DockerEngine } from '../host/docker/docker-engine.js';
import type { Libc } from '../host/process/libc.js';
import { userAtOtherEnd } from '../host/process/peer-user.js';
import { EngineContainers } from '../operator/names/engine-containers.js';
import type { NameService } from '../operator/names/name-service.js';
import { Publishing } from '../operator/publishing.js';
import type { Opened } from './opened.js';

export interface PublicationParts {
  readonly routes: AdminRoutes;
  /** Why publications are not open although their container runs, a sentence each. */
  problems(): readonly string[];
}

/** Makes the keeper of publications, which begins when recovery is done. */
export function keepPublications(
  world: World,
  names: { readonly engine: DockerEngine; readonly names: NameService } | undefined,
  libc: Pick<Libc, 'peerUser'>,
  recovered: Promise<void>,
  opened: Opened,
): PublicationParts {
  const containers = new EngineContainers(names);
  const keeper = new PublicationKeeper({ world, containers, clock: systemClock });
  opened.add('what operators have published', () => keeper.stop());
  background(
    world.log,
    'keeping what operators have published',
    // A failed recovery ends the daemon, which logs the reason elsewhere.
    recovered.then(
      () => keeper.start(),
      () => undefined,
    ),
  );
  return {
    routes: publicationRoutes(
      new Publishing(keeper, recovered),
      (socket) => userAtOtherEnd(libc, socket),
      world.telemetry,
    ),
    problems: () => keeper.problems(),
  };
}
