/** What the subcommands that ask the running daemon share: arguments, help, errors and exit codes. */
import { parseArgs } from 'node:util';
import { readConfig } from '../config/config.js';
import { messageOf } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import { AdminError, adminSocketName, askDaemon } from './admin-client.js';
import { type Command, exitCodes, type HelpParts, helpText, type Terminal } from './command.js';

/** One subcommand. Its flags and `--json`, `--runtime-dir DIR` are read before {@link ask} runs. */
export interface AdminVerb<Switch extends string, Answer> {
  readonly name: string;
  /** One phrase for the list of commands. */
  readonly summary: string;
  /** Without the two flags that all such subcommands have. */
  readonly help: HelpParts;
  /** Flags of its own, none of which takes a value. */
  readonly switches: readonly Switch[];
  /** The word that has to stand beside the flags, and what to say when it is missing; undefined: none. */
  readonly word?: { readonly missing: string };
  ask(call: AdminCall<Switch>): Promise<Answer>;
  /** The answer as people read it; with `--json` it is printed as the daemon gave it. */
  show(answer: Answer, call: AdminCall<Switch>): string;
  /** `ok` or `differs`. */
  exitCode(answer: Answer, call: AdminCall<Switch>): number;
}

/** A command line that was understood. */
export interface AdminCall<Switch extends string> {
  given(name: Switch): boolean;
  /** The word beside the flags; empty for a subcommand without one. */
  readonly word: string;
  /** @throws {AdminError} */
  request<Answer>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer>;
}

export function adminCommand<Switch extends string, Answer>(
  verb: AdminVerb<Switch, Answer>,
): Command {
  const { name, summary, help } = verb;
  const usage = `${help.usage} [--json] [--runtime-dir DIR]`;
  const flags = [
    ...help.flags,
    ['--json', "the daemon's answer as it is"],
    ['--runtime-dir DIR', "the daemon's, if it is not the default or in its configuration"],
  ] as const;
  return {
    name,
    summary,
    help: () => helpText({ ...help, usage, flags }),
    run: (args, terminal) => run(verb, args, terminal),
  };
}

async function run<Switch extends string, Answer>(
  verb: AdminVerb<Switch, Answer>,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { switches, word } = verb;
  let read: AdminArguments<Switch | 'json'>;
  try {
    const most = word === undefined ? 0 : 1;
    read = await readArguments([...args], [...switches, 'json'], most, terminal.environment);
  } catch (error) {
    terminal.err(`tsbridge: ${messageOf(error)}\n`);
    return exitCodes.usage;
  }
  const { socketPath, given, words } = read;
  if (word !== undefined && words.length === 0) {
    terminal.err(`tsbridge ${verb.name}: ${word.missing}\n`);
    return exitCodes.usage;
  }
  const call: AdminCall<Switch> = {
    given: (name) => given.has(name),
    word: words[0] ?? '',
    request: (method, path, body) => askDaemon(socketPath, method, path, body),
  };
  try {
    const answer = await verb.ask(call);
    const text = given.has('json')
      ? `${JSON.stringify(answer, null, 2)}\n`
      : verb.show(answer, call);
    terminal.out(text);
    return verb.exitCode(answer, call);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    terminal.err(`tsbridge ${verb.name}: ${error.message}\n`);
    return exitCodes.failed;
  }
}

interface AdminArguments<Switch extends string> {
  readonly socketPath: string;
  /** Which of the switches were given. */
  readonly given: ReadonlySet<Switch>;
  /** What stands beside the flags. */
  readonly words: readonly string[];
}

/**
 * Reads `--runtime-dir DIR`, switches, and up to `maxWords` words beside them. Without `--runtime-dir`, the
 * folder is that of the daemon's configuration.
 *
 * @throws {Error} which says what is wrong with the command line or the configuration
 */
async function readArguments<Switch extends string>(
  args: readonly string[],
  switches: readonly Switch[],
  maxWords: number,
  environment: Terminal['environment'],
): Promise<AdminArguments<Switch>> {
  const flags = [...switches, 'runtime-dir'];
  const options = Object.fromEntries([
    ...switches.map((name) => [name, { type: 'boolean' as const }] as const),
    ['runtime-dir', { type: 'string' as const }] as const,
  ]);
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const given = new Set<Switch>();
  const words: string[] = [];
  const folder: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      words.push(token.value);
      if (words.length <= maxWords) continue;
      throw new Error(`unexpected argument ${JSON.stringify(token.value)}`);
    }
    if (token.kind !== 'option') continue;
    const name = switches.find((each) => `--${each}` === token.rawName);
    if (name !== undefined && token.value === undefined) given.add(name);
    else if (name !== undefined) throw new Error(`--${name} takes no value`);
    else if (token.rawName === '--runtime-dir') {
      folder.push('--runtime-dir', ...(token.value === undefined ? [] : [token.value]));
    } else {
      const hint = didYouMean(token.name, flags, (flag) => `--${flag}`);
      throw new Error(`unknown flag ${token.rawName}${hint}`);
    }
  }
  const { runtimeDir } = await readConfig(folder, environment);
  return { socketPath: `${runtimeDir}/${adminSocketName}`, given, words };
}
