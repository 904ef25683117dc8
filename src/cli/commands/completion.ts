/** `tsbridge completion SHELL`, and `tsbridge __complete KIND PREFIX`, by which its scripts ask for names. */
import { command } from '../define.js';
import type { NameKind } from '../inventory/complete.js';
import { fitLines, plain } from '../output/fit.js';
import { completionScript, shells } from '../table/completion.js';
import { type Command, optional, required } from '../table/entry.js';
import { text, words } from '../table/kinds.js';

export function completionCommand(all: () => readonly Command[]): Command {
  return command({
    name: 'completion',
    summary: 'the script by which a shell completes commands, flags and names',
    about: ['The packages install it. By hand: source <(tsbridge completion bash), also for zsh.'],
    words: {
      shell: required(words(shells), 'of which shell', `which SHELL? ${shells.join(', ')}`),
    },
    flags: {},
    examples: [
      { line: 'tsbridge completion fish | source', does: 'completion in this fish, until it ends' },
    ],
    exits: { ok: 'printed', usage: 'there is none for this shell' },
    run({ words: { shell } }, terminal) {
      terminal.out(fitLines(completionScript(shell, all())));
      return Promise.resolve('ok');
    },
  });
}

/** Says nothing when it cannot say anything: a shell is waiting. */
export const completeCommand = command({
  name: '__complete',
  hidden: true,
  summary: 'names that begin like this, a line each',
  about: [],
  words: {
    kind: required(
      words(['container', 'network', 'thing'] satisfies NameKind[]),
      'of what',
      'which KIND?',
    ),
    prefix: optional(text('the beginning of a word', 'PREFIX'), 'how they begin'),
  },
  flags: {},
  examples: [],
  exits: {},
  async run({ words: { kind, prefix = '' } }, terminal) {
    const { namesBeginning } = await import('../inventory/complete.js');
    const names = await namesBeginning(kind as NameKind, prefix, terminal).catch(() => []);
    for (const name of names) terminal.out(plain`${name}\n`);
    return 'ok';
  },
});
