/** `tsbridge help [COMMAND]`. */
import { didYouMean } from '../../core/nearest.js';
import { command } from '../define.js';
import { plain, type TerminalText } from '../output/fit.js';
import { type Command, optional } from '../table/entry.js';
import { helpText, overview } from '../table/help.js';
import { text } from '../table/kinds.js';

/** @param all the whole table, which this command is part of */
export function helpCommand(all: () => readonly Command[]): Command {
  return command({
    name: 'help',
    summary: 'explain tsbridge, or one of its commands',
    about: [],
    words: {
      command: optional(text('a command', 'COMMAND', 'command'), 'which; without, all are listed'),
    },
    flags: {},
    examples: [{ line: 'tsbridge help status', does: 'the same as tsbridge status --help' }],
    exits: { ok: 'explained', usage: 'there is no such command' },
    run({ words }, terminal) {
      const entry = all().find(({ name }) => name === words.command);
      if (words.command === undefined) terminal.out(overview(all()));
      else if (entry === undefined) terminal.err(unknownCommand(words.command, all()));
      else terminal.out(helpText(entry));
      const understood = words.command === undefined || entry !== undefined;
      return Promise.resolve(understood ? 'ok' : 'usage');
    },
  });
}

/** Names the nearest command, and where the rest are listed. */
export function unknownCommand(name: string, commands: readonly Command[]): TerminalText {
  const names = commands.filter(({ hidden }) => hidden !== true).map((command) => command.name);
  const hint = didYouMean(name, names, (each) => `tsbridge ${each}`);
  return plain`tsbridge: unknown command ${JSON.stringify(name)}${hint}\nSee tsbridge --help.\n`;
}
