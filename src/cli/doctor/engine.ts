/** Reads whether the engine answers, and which of its settings differ from those that the daemon was started with. */
import { readFile } from 'node:fs/promises';
import { engineSettings } from '../../codec/engine-settings-file.js';
import { type Config, readConfig } from '../../config/config.js';
import {
  differences,
  type EngineStart,
  engineFilePath,
  readEngineSettings,
} from '../../config/engine-settings.js';
import type { Engine } from '../../core/doctor/facts.js';
import { type EngineProcess, findEngines, readProcess } from '../../host/engine-process.js';
import { engineAt } from '../find-names.js';

/** @param daemon process id of the daemon; undefined: it does not run, so there are no settings to compare */
export async function readEngine(
  { dockerSocket }: Config,
  daemon: number | undefined,
): Promise<Engine> {
  const [engines, answers] = await Promise.all([findEngines(), pinged(dockerSocket)]);
  const [engine, ...more] = engines;
  // With several engines it is not known whose networks the daemon serves, so settings are not compared.
  const comparable = engine !== undefined && more.length === 0 && daemon !== undefined;
  const single = more.length === 0 ? engine : undefined;
  const file = single && (await readEngineFile(single));
  const found = comparable ? await differing(engine, daemon, file) : [];
  return {
    ...{ processes: engines.length, answers, socket: dockerSocket, differences: found },
    ...(single === undefined ? {} : { settings: engineSettings(single.args, file?.text) }),
  };
}

async function pinged(socket: string): Promise<boolean | undefined> {
  if (socket === 'none') return undefined;
  const engine = engineAt(socket);
  try {
    await engine.ping();
    return true;
  } catch {
    return false;
  } finally {
    engine.close();
  }
}

/** The settings file of dockerd; undefined: there is none, or it cannot be read. */
async function readEngineFile({ args }: EngineProcess): Promise<EngineStart['file']> {
  const path = engineFilePath(args);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : { path, text };
}

async function differing(
  { args, environment }: EngineProcess,
  daemon: number,
  file: EngineStart['file'],
): Promise<Engine['differences']> {
  const { settings } = readEngineSettings({ args, environment, file });
  const own = await startOf(daemon);
  const config = await readConfig(own.args, own.environment);
  return differences(config, settings).map(({ key, ours, engine: theirs }) => ({
    ...{ key, ours: shown(ours), engine: shown(theirs) },
  }));
}

const shown = (value: unknown): string => JSON.stringify(value) ?? 'none';

/** The arguments behind `tsbridge daemon`, and the environment, of the daemon's process. */
async function startOf(pid: number): Promise<Pick<EngineProcess, 'args' | 'environment'>> {
  const { args, environment } = await readProcess(pid);
  const at = args.indexOf('daemon');
  return { args: at === -1 ? [] : args.slice(at + 1), environment };
}
