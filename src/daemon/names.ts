/** The composition root's part for what the engine is asked: names of containers and networks. */
import type { Config } from '../config/config.js';
import { systemClock } from '../driver/clock.js';
import { Forgotten } from '../driver/orphans/forgotten.js';
import { Owners } from '../driver/orphans/owners.js';
import type { EndpointState } from '../driver/state/registry.js';
import type { World } from '../driver/world.js';
import { DockerEngine } from '../host/docker/docker-engine.js';
import { readContainerFiles } from '../host/docker/docker-files.js';
import { EngineBehind } from '../host/docker/engine-behind.js';
import type { ProcessFiles } from '../host/process/processes.js';
import { JsonFile } from '../host/records/json-file.js';
import { NameService } from '../operator/names/name-service.js';

/** Name of the file in the runtime folder in which names outlive the daemon. */
export const namesFileName = 'names.json';
/** The folder in which Docker keeps its files by default. */
export const dockerFolder = '/var/lib/docker';

/** @returns undefined if the settings say that the engine is never asked */
export function dockerEngine(
  { dockerSocket }: Pick<Config, 'dockerSocket'>,
  processes: ProcessFiles,
): DockerEngine | undefined {
  if (dockerSocket === 'none') return undefined;
  return new DockerEngine(dockerSocket, new EngineBehind(processes));
}

/** What asks the engine by itself, beside calls and recovery. */
export interface AskingEngine {
  readonly names: NameService;
  /** Looks for what the engine has forgotten; it is started when recovery has finished. */
  readonly forgotten: Forgotten;
  stop(): Promise<void>;
}

export function askEngine(
  { runtimeDir, stateDir, gcAfterMs }: Config,
  engine: DockerEngine,
  world: World,
): AskingEngine {
  const { log } = world;
  const file = new JsonFile(`${runtimeDir}/${namesFileName}`);
  const names = new NameService(
    engine,
    {
      load: () => file.load(),
      save: (document) => file.save(document),
      containers: () => readContainerFiles(dockerFolder),
    },
    log,
    systemClock,
    world.telemetry,
  );
  const owners = new Owners(new JsonFile(`${stateDir}/owners.json`), log);
  const isKnown = ({ spec }: EndpointState): boolean => {
    const known = names.current();
    return known.from !== 'docker' || known.stale || known.containerOf(spec.id) !== undefined;
  };
  const forgotten = new Forgotten(world, engine, owners, gcAfterMs, isKnown);
  return {
    names,
    forgotten,
    stop: () => {
      forgotten.stop();
      return names.stop();
    },
  };
}
