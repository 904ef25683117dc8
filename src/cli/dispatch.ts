/** From a command line to the subcommand that it names. */
import { messageOf } from '../core/errors.js';
import { readVersion } from '../version.js';
import { unknownCommand } from './commands/help.js';
import { fitLines, plain } from './output/fit.js';
import { helpText, overview } from './table/help.js';
import { commands } from './table.js';
import { exitCodes, type Terminal } from './terminal.js';

/**
 * Runs `tsbridge ARGS`.
 *
 * @returns the exit code; never rejects
 */
export async function dispatch(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await run(args, terminal);
  } catch (error) {
    terminal.err(plain`tsbridge: ${fitLines(messageOf(error))}\n`);
    return exitCodes.failed;
  }
}

async function run([first, ...rest]: readonly string[], terminal: Terminal): Promise<number> {
  if (first === undefined) {
    terminal.err(overview(commands));
    return exitCodes.usage;
  }
  if (first === '--version' || first === '-v') {
    terminal.out(plain`${await readVersion()}\n`);
    return exitCodes.ok;
  }
  const help = first === '--help' || first === '-h';
  const command = commands.find(({ name }) => name === (help ? 'help' : first));
  if (command === undefined) {
    terminal.err(unknownCommand(first, commands));
    return exitCodes.usage;
  }
  if (asksForHelp(rest)) {
    terminal.out(command.name === 'help' ? overview(commands) : helpText(command));
    return exitCodes.ok;
  }
  return command.run(rest, terminal);
}

function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args
    .slice(0, end === -1 ? args.length : end)
    .some((arg) => arg === '--help' || arg === '-h');
}
