/** `tsbridge daemon`: reads the configuration and runs the driver until it is told to stop. */

import { type Config, readConfig } from '../../config/config.js';
import { environmentName, fallbackText, fieldNames, fields } from '../../config/fields.js';
import { DriverError } from '../../core/errors.js';
import { type Platform, platformProblem, readPlatform } from '../../platform.js';
import { readVersion } from '../../version.js';
import { fitLines, plain } from '../output/fit.js';
import type { Command, Parameter } from '../table/entry.js';
import { exitCodes } from '../terminal.js';

type Load = () => Promise<{ runDaemon(config: Config, version: string): Promise<number> }>;

/**
 * @param load loads the composition root. Help and wrong command lines are answered without it, and
 *   so without loading the driver's libraries
 * @param platform reads what the machine is; the libraries have binaries for some only
 */
export function daemonCommand(
  load: Load = () => import('../../daemon.js'),
  platform: () => Platform = readPlatform,
): Command {
  return {
    name: 'daemon',
    summary: 'run the network driver until SIGTERM or SIGINT',
    about: [],
    words: {},
    flags: Object.fromEntries(fieldNames.map((name) => [fields[name].flag, parameter(name)])),
    examples: [],
    exits: {
      ok: 'stopped because it was told to',
      failed: 'it could not start or go on; the log says why',
      usage: 'wrong command line or configuration, or a machine for which there are no libraries',
    },
    notes,
    async run(args, terminal) {
      let config: Config;
      try {
        config = await readConfig(args, terminal.environment);
      } catch (error) {
        if (!(error instanceof DriverError)) throw error;
        terminal.err(plain`${fitLines(error.message)}\n`);
        return exitCodes.usage;
      }
      const problem = platformProblem(platform());
      if (problem !== undefined) {
        terminal.err(plain`tsbridge: ${problem}\n`);
        // Not tried again by systemd: the machine stays what it is.
        return exitCodes.usage;
      }
      const { runDaemon } = await load();
      return runDaemon(config, await readVersion());
    },
  };
}

/** For help and completion; the command line is read with the other sources, by {@link readConfig}. */
function parameter(name: (typeof fieldNames)[number]): Parameter<unknown> {
  const { kind, help } = fields[name];
  const { accepts, placeholder, words, parse } = kind;
  const completes = ({ DIR: 'folder', FILE: 'file', PATH: 'file' } as const)[placeholder];
  return {
    kind: {
      ...{ accepts, placeholder, parse },
      ...(words === undefined ? {} : { words }),
      ...(completes === undefined ? {} : { completes }),
    },
    help: `${help} (${fallbackText(name)})`,
    many: false,
    value: (given) => given.at(-1),
  };
}

const notes = [
  '--flag value and --flag=value are the same; a BOOL flag alone means true.',
  `Every flag can also be set in the environment (--state-dir: ${environmentName('stateDir')})`,
  'and, all but --config, in the file ("state-dir": …). A flag beats the environment, which',
  'beats the file.',
  '',
  'SIGTERM and SIGINT stop the daemon; containers keep their network and published ports.',
  '',
].join('\n');
