/** From a command line to the subcommand that it names. */
import { messageOf } from '../core/errors.js';
import { readVersion } from '../version.js';
import type { Command, Terminal } from './command.js';
import { asksForHelp, exitCodes } from './command.js';
import { daemonCommand } from './daemon.js';
import { forgetCommand } from './forget.js';
import { helpCommand, unknownCommand } from './help.js';
import { reconcileCommand } from './reconcile.js';
import { setupCommand } from './setup.js';
import { statusCommand } from './status.js';

/** In the order of `tsbridge --help`. */
export const commands: readonly Command[] = [
  daemonCommand(),
  statusCommand,
  reconcileCommand,
  forgetCommand,
  setupCommand,
];

/**
 * Runs `tsbridge ARGS`.
 *
 * @returns the exit code; never rejects
 */
export async function dispatch(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await run(args, terminal);
  } catch (error) {
    terminal.err(`tsbridge: ${messageOf(error)}\n`);
    return exitCodes.failed;
  }
}

async function run([first, ...rest]: readonly string[], terminal: Terminal): Promise<number> {
  const help = helpCommand(commands);
  if (first === undefined) {
    terminal.err(help.help());
    return exitCodes.usage;
  }
  if (first === '--version' || first === '-v') {
    terminal.out(`${await readVersion()}\n`);
    return exitCodes.ok;
  }
  if (first === '--help' || first === '-h') return help.run(rest, terminal);
  const all = [...commands, help];
  const command = all.find((each) => each.name === first);
  if (command === undefined) {
    terminal.err(unknownCommand(first, all));
    return exitCodes.usage;
  }
  if (asksForHelp(rest)) {
    terminal.out(command.help());
    return exitCodes.ok;
  }
  return command.run(rest, terminal);
}
