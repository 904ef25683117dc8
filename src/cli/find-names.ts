/**
 * Names for the commands: the daemon's; without a daemon, the engine is asked from here; without either, the last
 * ones on disk, and what the engine's files say.
 */
import type { Config } from '../config/config.js';
import type { ContainerId } from '../core/names.js';
import { dockerFolder, namesFileName } from '../daemon/names.js';
import { DockerEngine } from '../host/docker/docker-engine.js';
import { readContainerFiles } from '../host/docker/docker-files.js';
import { defaultLimits } from '../host/docker/docker-socket.js';
import { JsonFile } from '../host/records/json-file.js';
import { asOfNow } from '../operator/names/as-of.js';
import {
  documentOf,
  type Names,
  type NamesDocument,
  namesOf,
  noNames,
  readNamesDocument,
} from '../operator/names/names.js';
import { askDaemon } from './admin-client.js';

type Where = Pick<Config, 'runtimeDir' | 'dockerSocket'>;

/** Milliseconds for each source of names: a person waits for the command. */
const timeoutMs = 3_000;
const limits = { ...defaultLimits, timeoutMs };

/** Finds names; never rejects. With `--docker-socket none` the engine is not asked. */
export async function findNames(where: Where): Promise<Names> {
  const document = await findDocument(where);
  return document === undefined ? noNames : namesOf(document);
}

/** The ids of the networks that have the name: Docker allows several of one name. */
export async function findNetworkIds(where: Where, given: string): Promise<readonly string[]> {
  const { networks = [] } = (await findDocument(where)) ?? {};
  return networks.filter(({ name }) => name === given).map(({ id }) => id);
}

async function findDocument(where: Where): Promise<NamesDocument | undefined> {
  if (where.dockerSocket === 'none') return undefined;
  for (const source of [fromDaemon, fromEngine, fromLast, fromFiles]) {
    try {
      const document = await source(where);
      if (document.from !== 'none') return document;
    } catch {
      // A source that fails is passed over: the next one may know the name.
    }
  }
  return undefined;
}

/** The engine's API, with the time limit of this file. */
export function engineAt(dockerSocket: string): DockerEngine {
  return new DockerEngine(dockerSocket, undefined, limits);
}

/** Process id of the container's first process; undefined if it does not run, or the engine does not answer. */
export async function containerPid(
  { dockerSocket }: Pick<Where, 'dockerSocket'>,
  id: ContainerId,
): Promise<number | undefined> {
  if (dockerSocket === 'none') return undefined;
  const engine = engineAt(dockerSocket);
  return engine.pidOf(id).catch(() => undefined);
}

async function fromDaemon({ runtimeDir }: Where): Promise<NamesDocument> {
  return readNamesDocument(await askDaemon({ runtimeDir, timeoutMs }, 'GET', '/v1/names'));
}

async function fromEngine({ dockerSocket }: Where): Promise<NamesDocument> {
  const engine = engineAt(dockerSocket);
  const containers = await engine.containers();
  const source = { from: 'docker', asOf: asOfNow(), stale: false } as const;
  return documentOf(source, containers, await engine.networks());
}

async function fromLast({ runtimeDir }: Where): Promise<NamesDocument> {
  const document = readNamesDocument(await new JsonFile(`${runtimeDir}/${namesFileName}`).load());
  return { ...document, stale: true };
}

async function fromFiles(): Promise<NamesDocument> {
  const containers = await readContainerFiles(dockerFolder);
  if (containers.length === 0) throw new Error('there are no files of containers');
  const source = { from: 'files', asOf: asOfNow(), stale: true } as const;
  return documentOf(source, containers, []);
}
