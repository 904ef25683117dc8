/** What a subcommand is, and what all of them share. */

export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Standard output: what was asked for. */
  out(text: string): void;
  /** Standard error: why it could not be done. */
  err(text: string): void;
  /** Asks the person at the terminal for a line; absent where there is none. */
  ask?(question: string): Promise<string>;
}

export interface Command {
  readonly name: string;
  /** One phrase for the list of commands. */
  readonly summary: string;
  /** The whole text of `tsbridge NAME --help`. */
  help(): string;
  /** Answers with one of {@link exitCodes}. */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

export const exitCodes = {
  /** Done; for the daemon: stopped because it was told to. */
  ok: 0,
  /** Could not be done; standard error or the log says why. */
  failed: 1,
  /** Not tried: the command line or the configuration is wrong. */
  usage: 2,
  /** The host was read, and something on it is not as it should be. */
  differs: 3,
} as const;

/** The parts of a subcommand's help. */
export interface HelpParts {
  /** What follows `tsbridge` on the command line: `forget NETWORK [--yes]`. */
  readonly usage: string;
  /** What the subcommand does, as lines that end with a line break; may be empty. */
  readonly about: string;
  readonly flags: readonly (readonly [flag: string, meaning: string])[];
  /** What each exit code means, the codes that need saying. */
  readonly exits: Readonly<Partial<Record<keyof typeof exitCodes, string>>>;
}

/** The text of `tsbridge NAME --help`. */
export function helpText({ usage, about, flags, exits }: HelpParts): string {
  const codes = Object.entries(exitCodes).flatMap(([name, code]): [string, string][] => {
    const meaning = exits[name as keyof typeof exitCodes];
    return meaning === undefined ? [] : [[String(code), meaning]];
  });
  return [
    `Usage: tsbridge ${usage}\n`,
    about === '' ? '' : `\n${about}`,
    `\nFlags:\n${columns(flags)}`,
    `\nExit status:\n${columns(codes)}`,
  ].join('');
}

/** Columns of a terminal that help text keeps to. */
const terminalWidth = 100;

/** Two aligned columns, indented by two; what is too long for a line goes on below its column. */
export function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  const line = (left: string, right: string) => `  ${left.padEnd(width)}  ${right}\n`;
  return rows
    .map(([left, right]) => {
      const [first = '', ...more] = wrap(right, terminalWidth - width - 4);
      return line(left, first) + more.map((text) => line('', text)).join('');
    })
    .join('');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(' ')) {
    const longer = current === '' ? word : `${current} ${word}`;
    if (longer.length > width && current !== '') {
      lines.push(current);
      current = word;
    } else current = longer;
  }
  return [...lines, current];
}

export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args
    .slice(0, end === -1 ? args.length : end)
    .some((arg) => arg === '--help' || arg === '-h');
}
