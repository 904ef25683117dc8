/** `tsbridge help [COMMAND]` and the text of `tsbridge --help`. */
import { didYouMean } from '../core/nearest.js';
import type { Command } from './command.js';
import { columns, exitCodes } from './command.js';

/** The command that explains `others` and itself. */
export function helpCommand(others: readonly Command[]): Command {
  const self: Command = {
    name: 'help',
    summary: 'explain tsbridge, or one of its commands',
    help: () => overview([...others, self]),
    run([name], terminal) {
      const all = [...others, self];
      const command = name === undefined ? self : all.find((each) => each.name === name);
      if (command === undefined) terminal.err(unknownCommand(name ?? '', all));
      else terminal.out(command.help());
      return Promise.resolve(command === undefined ? exitCodes.usage : exitCodes.ok);
    },
  };
  return self;
}

/** Names the nearest command, and where the rest are listed. */
export function unknownCommand(name: string, commands: readonly Command[]): string {
  const names = commands.map((command) => command.name);
  const hint = didYouMean(name, names, (each) => `tsbridge ${each}`);
  return `tsbridge: unknown command ${JSON.stringify(name)}${hint}\nSee tsbridge --help.\n`;
}

function overview(commands: readonly Command[]): string {
  return [
    'tsbridge: bridge networks for Docker, as its own driver makes them\n',
    '\nUsage: tsbridge COMMAND [FLAGS]\n',
    `\nCommands:\n${columns(commands.map(({ name, summary }) => [name, summary]))}`,
    `\nFlags:\n${columns([
      ['-h, --help', 'this text; after a command: what it does and its flags'],
      ['-v, --version', 'the version'],
    ])}`,
    `\nExit status:\n${columns([
      [String(exitCodes.ok), 'done'],
      [String(exitCodes.failed), 'failed; standard error or the log says why'],
      [String(exitCodes.usage), 'not tried: wrong command line or configuration'],
      [String(exitCodes.differs), 'the host was read, and something on it is not as it should be'],
    ])}`,
  ].join('');
}
