/** The text of `tsbridge NAME --help`, and of `tsbridge --help`, from the table. */
import { fitLines, joined, nothing, plain, type TerminalText } from '../output/fit.js';
import { columns, paragraph } from '../output/lines.js';
import { exitCodes } from '../terminal.js';
import type { Command, Entry, Parameter, Parameters } from './entry.js';
import type { Form } from './kinds.js';

type AnyEntry = Entry<Parameters, Parameters>;

/** `NETWORK`, `[THING]`, `[NAME...]`. */
export function wordText(name: string, { many, missing }: Parameter<unknown>): string {
  const text = name.toUpperCase() + (many ? '...' : '');
  return missing === undefined ? `[${text}]` : text;
}

/** `--wide`, `--port PORT[-PORT]`, `--watch[=SECONDS]`. */
export function flagText(name: string, { kind }: Parameter<unknown>): string {
  if (kind === undefined) return `--${name}`;
  const { placeholder, alone } = kind;
  return alone === undefined ? `--${name} ${placeholder}` : `--${name}[=${placeholder}]`;
}

/** What follows `tsbridge` on the command line. */
export function usageText({ name, words, flags }: AnyEntry): string {
  const beside = Object.entries(words).map(([word, parameter]) => wordText(word, parameter));
  return [name, ...beside, ...(Object.keys(flags).length === 0 ? [] : ['[FLAGS]'])].join(' ');
}

/** Its code and what it means, for each way in which the command can end. */
export function exitRows({ exits }: AnyEntry): [string, string][] {
  return Object.entries(exitCodes).flatMap(([name, code]): [string, string][] => {
    const meaning = exits[name as keyof typeof exitCodes];
    return meaning === undefined ? [] : [[String(code), meaning]];
  });
}

/** Each flag and what it does, with the words of which its value is one. */
export function flagRows({ flags }: AnyEntry): [string, string][] {
  return Object.entries(flags).map(([name, parameter]) => {
    const { placeholder = '', words: choice = [] } = parameter.kind ?? {};
    const words = placeholder === 'WORD' ? `: ${choice.join(', ')}` : '';
    const many = parameter.many ? '; may be given several times' : '';
    return [flagText(name, parameter), parameter.help + words + many];
  });
}

/** For each argument whose values have several forms: its name in capitals, and the forms. */
export function formRows({ words }: AnyEntry): (readonly [word: string, forms: readonly Form[]])[] {
  return Object.entries(words).flatMap(([name, { kind }]) =>
    kind?.forms === undefined ? [] : [[name.toUpperCase(), kind.forms] as const],
  );
}

export function helpText(entry: AnyEntry): TerminalText {
  const { about, words, flags, columns: table = [], examples, exits, notes } = entry;
  const section = (title: string, rows: readonly (readonly [string, string])[]) =>
    rows.length === 0 ? nothing : joined([plain`\n${title}:\n`, columns(rows)]);
  const beside = Object.entries(words).map(
    ([name, { help }]) => [name.toUpperCase(), help] as const,
  );
  return joined([
    plain`Usage: tsbridge ${usageText(entry)}\n`,
    ...about.map((text) => joined([plain`\n`, paragraph(text)])),
    section('Arguments', beside),
    ...formRows(entry).map(([word, forms]) => section(`Forms of ${word}`, forms)),
    section('Flags', Object.keys(flags).length === 0 ? [] : flagRows(entry)),
    section('Columns', table),
    section(
      'Examples',
      examples.map(({ line, does }) => [line, does] as const),
    ),
    section('Exit status', Object.keys(exits).length === 0 ? [] : exitRows(entry)),
    notes === undefined ? nothing : joined([plain`\n`, fitLines(notes)]),
  ]);
}

/** The text of `tsbridge --help`. */
export function overview(commands: readonly Command[]): TerminalText {
  const listed = commands.filter(({ hidden }) => hidden !== true);
  return joined([
    plain`tsbridge: bridge networks for Docker, as its own driver makes them\n`,
    plain`\nUsage: tsbridge COMMAND [FLAGS]\n`,
    plain`\nCommands:\n`,
    columns(listed.map(({ name, summary }) => [name, summary])),
    plain`\nFlags:\n`,
    columns([
      ['-h, --help', 'this text; after a command: what it does and its flags'],
      ['-v, --version', 'the version'],
    ]),
    plain`\nExit status:\n`,
    columns(overviewExits),
  ]);
}

export const overviewExits: readonly (readonly [string, string])[] = [
  [String(exitCodes.ok), 'done; the answer is yes'],
  [String(exitCodes.failed), 'failed; standard error or the log says why'],
  [String(exitCodes.usage), 'not tried: wrong command line or configuration'],
  [String(exitCodes.differs), 'the host was read, and something differs, or nothing matches'],
  [String(exitCodes.unclear), 'the host was read, and the answer depends on what cannot be known'],
];
