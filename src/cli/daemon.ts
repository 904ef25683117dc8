/** `tsbridge daemon`: reads the configuration and runs the driver until it is told to stop. */

import { type Config, readConfig } from '../config/config.js';
import { environmentName, fallbackText, fieldNames, fields } from '../config/fields.js';
import { DriverError } from '../core/errors.js';
import { type Platform, platformProblem, readPlatform } from '../platform.js';
import { readVersion } from '../version.js';
import type { Command } from './command.js';
import { columns, exitCodes } from './command.js';

type Load = () => Promise<{ runDaemon(config: Config, version: string): Promise<number> }>;

/**
 * @param load loads the composition root. Help and wrong command lines are answered without it, and
 *   so without loading the driver's libraries
 * @param platform reads what the machine is; the libraries have binaries for some only
 */
export function daemonCommand(
  load: Load = () => import('../daemon.js'),
  platform: () => Platform = readPlatform,
): Command {
  return {
    name: 'daemon',
    summary: 'run the network driver until SIGTERM or SIGINT',
    help,
    async run(args, terminal) {
      let config: Config;
      try {
        config = await readConfig(args, terminal.environment);
      } catch (error) {
        if (!(error instanceof DriverError)) throw error;
        terminal.err(`${error.message}\n`);
        return exitCodes.usage;
      }
      const problem = platformProblem(platform());
      if (problem !== undefined) {
        terminal.err(`tsbridge: ${problem}\n`);
        // Not tried again by systemd: the machine stays what it is.
        return exitCodes.usage;
      }
      const { runDaemon } = await load();
      return runDaemon(config, await readVersion());
    },
  };
}

function help(): string {
  const rows = fieldNames.map((name): readonly [string, string] => {
    const { flag, kind, help } = fields[name];
    return [`--${flag} ${kind.placeholder}`, `${help} (${fallbackText(name)})`];
  });
  const words = fieldNames.flatMap((name): (readonly [string, string])[] => {
    const { flag, kind } = fields[name];
    return kind.placeholder === 'WORD' ? [[`--${flag}`, kind.accepts]] : [];
  });
  return [
    'Usage: tsbridge daemon [FLAGS]\n',
    `\nFlags, with their defaults:\n${columns(rows)}`,
    `\nWords:\n${columns(words)}`,
    '\n--flag value and --flag=value are the same; a BOOL flag alone means true.',
    `\nEvery flag can also be set in the environment (--state-dir: ${environmentName('stateDir')})`,
    `\nand, all but --config, in the file ("state-dir": …). A flag beats the environment, which`,
    '\nbeats the file.\n',
    '\nSIGTERM and SIGINT stop the daemon; containers keep their network and published ports.\n',
  ].join('');
}
