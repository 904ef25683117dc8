/** `tsbridge setup`: gives the daemon the settings that the host's engine was started with. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import {
  engineFilePath,
  followEngine,
  type KeyChange,
  readEngineSettings,
} from '../config/engine-settings.js';
import { fields } from '../config/fields.js';
import { messageOf } from '../core/errors.js';
import { type EngineProcess, findEngines } from '../host/engine-process.js';
import { type Command, columns, exitCodes, helpText, type Terminal } from './command.js';

export const setupCommand: Command = {
  name: 'setup',
  summary: "take over the settings of the host's engine",
  help: () =>
    helpText({
      usage: 'setup [--yes] [--config FILE] [--dockerd-pid PID]',
      about: [
        'The engine does not tell plugins its own settings. This reads how dockerd was started and its\n',
        'daemon.json, shows what belongs into the settings of tsbridge, and writes it after a yes. Settings\n',
        'that dockerd does not have stay as they are.\n',
      ].join(''),
      flags: [
        ['--yes', 'write without asking; needed where there is no terminal to ask at'],
        ['--config FILE', `in place of ${fields.configFile.fallback}`],
        ['--dockerd-pid PID', 'which dockerd, if there are several'],
      ],
      exits: {
        ok: 'the settings are those of the engine',
        failed: 'they could not be read or written',
        usage: 'wrong command line',
        differs: 'they differ, and nothing was written',
      },
    }),
  async run(args, terminal) {
    let values: { yes?: boolean; config?: string; 'dockerd-pid'?: string };
    try {
      values = parseArgs({
        args: [...args],
        options: {
          yes: { type: 'boolean' },
          config: { type: 'string' },
          'dockerd-pid': { type: 'string' },
        },
      }).values;
    } catch (error) {
      terminal.err(`tsbridge setup: ${messageOf(error)}\n`);
      return exitCodes.usage;
    }
    const path = fields.configFile.kind.parse(values.config ?? fields.configFile.fallback);
    if (path === undefined) {
      const { accepts } = fields.configFile.kind;
      terminal.err(`tsbridge setup: --config takes ${accepts}\n`);
      return exitCodes.usage;
    }
    try {
      return await setUp(path, values['dockerd-pid'], values.yes === true, terminal);
    } catch (error) {
      terminal.err(`tsbridge setup: ${messageOf(error)}\n`);
      return exitCodes.failed;
    }
  },
};

async function setUp(
  path: string,
  wantedPid: string | undefined,
  yes: boolean,
  terminal: Terminal,
): Promise<number> {
  const engine = chosen(await findEngines(), wantedPid);
  const args = engine?.args ?? [];
  const enginePath = engineFilePath(args);
  const engineText = await readIfThere(enginePath);
  const engineFile = engineText === undefined ? undefined : { path: enginePath, text: engineText };
  const environment = engine?.environment ?? {};
  const said = readEngineSettings({ args, environment, file: engineFile });
  const current = await readIfThere(path);
  const { text, changes, problems } = followEngine(path, current, said.settings);
  const all = [...said.problems, ...problems];
  if (all.length > 0) throw new Error(`nothing was written:\n  - ${all.join('\n  - ')}`);

  terminal.out(
    `${engine === undefined ? 'dockerd does not run here: only its file counts' : `dockerd is process ${engine.pid}`}; ` +
      `${engineFile === undefined ? `there is no ${enginePath}` : `its file is ${enginePath}`}\n`,
  );
  if (changes.length === 0) {
    terminal.out(`${path} says already what the engine says\n`);
    return exitCodes.ok;
  }
  terminal.out(`\n${path} will change:\n${columns(changes.map(describe))}\nIt will be:\n${text}`);
  if (!yes && !(await agreed(terminal))) {
    terminal.err('tsbridge setup: nothing was written; --yes writes without asking\n');
    return exitCodes.differs;
  }
  await writeWhole(path, text);
  terminal.out(`${path} is written; a daemon that runs takes it at: systemctl restart tsbridge\n`);
  return exitCodes.ok;
}

/** @throws if there are several, and none was named; or the named one is none */
function chosen(
  engines: readonly EngineProcess[],
  wantedPid: string | undefined,
): EngineProcess | undefined {
  const pids = engines.map(({ pid }) => pid).join(', ');
  if (wantedPid !== undefined) {
    const engine = engines.find(({ pid }) => String(pid) === wantedPid);
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
    throw error;
  }
}

/** At no time is there half a file under this name. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  await writeFile(temporary, text, { mode: 0o644, flush: true });
  await rename(temporary, path);
}
