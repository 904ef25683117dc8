/** `tsbridge setup`: gives the daemon the settings that the host's engine was started with. */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseEnvironmentFile } from '../../../codec/environment-file.js';
import {
  engineFilePath,
  followEngine,
  type KeyChange,
  overrides,
  readEngineSettings,
} from '../../../config/engine-settings.js';
import { fields } from '../../../config/fields.js';
import { quote, readEnvironment, type Setting, takes } from '../../../config/sources.js';
import { messageOf } from '../../../core/errors.js';
import { type EngineProcess, findEngines } from '../../../host/engine-process.js';
import { command } from '../../define.js';
import { fitLines, plain } from '../../output/fit.js';
import { columns } from '../../output/lines.js';
import { replaceFile } from '../../output/replace-file.js';
import { flag, optional } from '../../table/entry.js';
import { count, filePath } from '../../table/kinds.js';
import type { ExitName, Terminal } from '../../terminal.js';

/** What the packaged unit has as `EnvironmentFile=`. */
const environmentFile = '/etc/default/tsbridge';

export const setupCommand = command({
  name: 'setup',
  summary: "take over the settings of the host's engine",
  about: [
    'The engine does not tell plugins its own settings. This reads how dockerd was started and its ' +
      'daemon.json, shows what belongs into the settings of tsbridge, and writes it after a yes. Settings ' +
      'that dockerd does not have stay as they are.',
    'Variables in the environment file of the service beat the settings file. Each variable that keeps a setting ' +
      "different from dockerd's is named, and stays for you to delete. If TSBRIDGE_CONFIG is one of them, the file that " +
      'it names is the settings file. Drop-ins of the unit are not read: `tsbridge doctor` compares what the daemon runs with.',
  ],
  words: {},
  flags: {
    yes: flag('write without asking; needed where there is no terminal to ask at'),
    config: optional(filePath, `the settings file, in place of ${fields.configFile.fallback}`),
    'environment-file': optional(
      filePath,
      `the environment file of the service, in place of ${environmentFile}`,
    ),
    'dockerd-pid': optional(count(4_194_304), 'which dockerd, if there are several'),
  },
  examples: [{ line: 'tsbridge setup', does: 'shows what would change, and asks' }],
  exits: {
    ok: 'the settings are those of the engine',
    failed: 'they could not be read or written',
    usage: 'wrong command line',
    differs:
      'they differ and nothing was written, a variable beats the settings file, or TSBRIDGE_CONFIG names a missing file',
  },
  run: async ({ flags }, terminal) => {
    const path = flags['environment-file'] ?? environmentFile;
    const text = await readIfThere(path);
    // systemd goes on without the usual file; a file that the command line names has to be there.
    if (text === undefined && path !== environmentFile) {
      throw new Error(`there is no ${path}, which --environment-file names`);
    }
    const { settings } = readEnvironment(parseEnvironmentFile(text ?? ''));
    const config = flags.config === undefined ? configIn(settings, path) : undefined;
    const service = { path, settings, config };
    const written = flags.config ?? config ?? fields.configFile.fallback;
    return await setUp(written, service, flags['dockerd-pid'], flags.yes, terminal);
  },
});

/** The variables of the service: those in the file that its unit has as `EnvironmentFile=`. */
interface ServiceVariables {
  readonly path: string;
  readonly settings: readonly Setting[];
  /** The settings file that a variable names, unless the command line names one. */
  readonly config: string | undefined;
}

/**
 * @returns the file that a variable names in place of the usual one
 * @throws {Error} if the daemon would not take it, such as a relative path
 */
function configIn(settings: readonly Setting[], path: string): string | undefined {
  const named = settings.find(({ name }) => name === 'configFile');
  if (named === undefined) return undefined;
  const config = fields.configFile.kind.parse(named.text);
  if (config !== undefined) return config;
  const { where, text } = named;
  throw new Error(`${where} in ${path}: ${quote(text)} is not accepted; ${takes('configFile')}`);
}

async function setUp(
  path: string,
  service: ServiceVariables,
  wantedPid: number | undefined,
  yes: boolean,
  terminal: Terminal,
): Promise<ExitName> {
  const engine = chosen(await findEngines(), wantedPid);
  const args = engine?.args ?? [];
  const enginePath = engineFilePath(args);
  const engineText = await readIfThere(enginePath);
  const engineFile = engineText === undefined ? undefined : { path: enginePath, text: engineText };
  const environment = engine?.environment ?? {};
  const said = readEngineSettings({ args, environment, file: engineFile });
  const current = await readIfThere(path);
  const { text, changes, problems } = followEngine(
    path,
    current,
    said.settings,
    engine !== undefined,
  );
  const all = [...said.problems, ...problems];
  if (all.length > 0) throw new Error(`nothing was written:\n  - ${all.join('\n  - ')}`);

  const who =
    engine === undefined
      ? 'dockerd does not run here, so its flags are unknown: settings that its file does not have stay'
      : `dockerd is process ${engine.pid}`;
  const file = engineFile === undefined ? `there is no ${enginePath}` : `its file is ${enginePath}`;
  terminal.out(plain`${who}; ${file}\n`);
  const beaten = overrides(service.settings, said.settings, engine !== undefined);
  for (const { variable, ours, engine } of beaten) {
    terminal.err(
      plain`tsbridge setup: ${variable}=${ours} in ${service.path} beats ${path}, and dockerd has ${engine}: delete that line, and restart tsbridge\n`,
    );
  }
  const done = beaten.length === 0 ? 'ok' : 'differs';
  if (changes.length === 0 && current === undefined && path === service.config) {
    terminal.err(
      plain`tsbridge setup: there is no ${path}, which TSBRIDGE_CONFIG in ${service.path} names, and the daemon does not start without it: delete that line, or write {} into ${path}\n`,
    );
    return 'differs';
  }
  if (changes.length === 0) {
    terminal.out(
      current === undefined
        ? plain`${path} is not needed: what the engine says is the default\n`
        : plain`${path} says already what the engine says\n`,
    );
    return done;
  }
  terminal.out(
    plain`\n${path} will change:\n${columns(changes.map(describe))}\nIt will be:\n${fitLines(text)}`,
  );
  if (!yes && !(await agreed(terminal))) {
    terminal.err(plain`tsbridge setup: nothing was written; --yes writes without asking\n`);
    return 'differs';
  }
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(path, text, 0o644, { flush: true });
  terminal.out(
    plain`${path} is written; a daemon that runs takes it at: systemctl restart tsbridge\n`,
  );
  return done;
}

/** @throws if several dockerd run and `--dockerd-pid` names none of them, or if the process that it names is no dockerd */
function chosen(
  engines: readonly EngineProcess[],
  wantedPid: number | undefined,
): EngineProcess | undefined {
  const pids = engines.map(({ pid }) => pid).join(', ');
  if (wantedPid !== undefined) {
    const engine = engines.find(({ pid }) => pid === wantedPid);
    if (engine !== undefined) return engine;
    throw new Error(`process ${wantedPid} is no dockerd of this host; there is ${pids || 'none'}`);
  }
  if (engines.length <= 1) return engines[0];
  throw new Error(`several dockerd run here (processes ${pids}): name one with --dockerd-pid`);
}

function describe({ key, before, after, where }: KeyChange): [string, string] {
  const show = (value: unknown) => (value === undefined ? 'not set' : JSON.stringify(value));
  return [key, `${show(before)} → ${show(after)} (${where})`];
}

async function agreed(terminal: Terminal): Promise<boolean> {
  const answer = await terminal.ask?.('Write it? [y/N] ');
  return answer !== undefined && /^y(es)?$/i.test(answer.trim());
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new Error(`reading ${path}: ${messageOf(error)}`, { cause: error });
  }
}
