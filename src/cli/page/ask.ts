/** Runs other commands of tsbridge within this process, for the documents that they print with `--json`. */
import type { Command } from '../table/entry.js';
import type { Terminal } from '../terminal.js';

export interface Answer<Item> {
  /** None if the command failed; `said` tells why. */
  readonly items: readonly Item[] | undefined;
  /** The whole document. */
  readonly document: Readonly<Record<string, unknown>>;
  /** What it has written on standard error. */
  readonly said: string;
  readonly code: number;
}

/** Runs a command of the table within this process. */
export async function ask<Item>(
  command: Command,
  args: readonly string[],
  { environment }: Terminal,
): Promise<Answer<Item>> {
  const said = { out: '', err: '' };
  const code = await command.run(['--json', ...args], {
    environment,
    out: (text) => {
      said.out += String(text);
    },
    err: (text) => {
      said.err += String(text);
    },
  });
  const document = said.out === '' ? {} : (JSON.parse(said.out) as Record<string, unknown>);
  const items = document.items as readonly Item[] | undefined;
  return { items, document, said: said.err.trim(), code };
}
