/** Arguments → values, by a command's entry; what is wrong with them is said in one line. */
import { parseArgs } from 'node:util';
import { didYouMean } from '../../core/nearest.js';
import type { CommandLine, Entry, Parameter, Parameters, ValuesOf } from './entry.js';

/** The command line is wrong; nothing was tried. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws {UsageError} */
export function readCommandLine<Words extends Parameters, Flags extends Parameters>(
  entry: Pick<Entry<Words, Flags>, 'words' | 'flags'>,
  args: readonly string[],
): CommandLine<Words, Flags> {
  const flags = new Map<string, unknown[]>();
  const given: string[] = [];
  for (const token of tokensOf(entry.flags, args)) {
    if (token.kind === 'positional') given.push(token.value);
    if (token.kind !== 'option') continue;
    const parameter = entry.flags[token.name];
    if (parameter === undefined || token.rawName !== `--${token.name}`) {
      const hint = didYouMean(token.name, Object.keys(entry.flags), (name) => `--${name}`);
      throw new UsageError(`unknown flag ${token.rawName}${hint}`);
    }
    const values = flags.get(token.name) ?? [];
    flags.set(token.name, [...values, flagValue(token.rawName, parameter, token.value)]);
  }
  const words = wordValues(entry.words, given);
  return { words: valuesOf(entry.words, words), flags: valuesOf(entry.flags, flags) };
}

function tokensOf(flags: Parameters, args: readonly string[]) {
  // A flag whose value may be left out has it behind `=` only.
  const takesNext = ({ kind }: Parameter<unknown>) =>
    kind !== undefined && kind.alone === undefined;
  const options = Object.fromEntries(
    Object.entries(flags).map(
      ([name, parameter]) =>
        [
          name,
          { type: takesNext(parameter) ? ('string' as const) : ('boolean' as const) },
        ] as const,
    ),
  );
  return parseArgs({ args: [...args], options, strict: false, tokens: true }).tokens;
}

function flagValue(name: string, { kind }: Parameter<unknown>, text: string | undefined): unknown {
  if (kind === undefined) {
    if (text !== undefined) throw new UsageError(`${name} takes no value`);
    return true;
  }
  const written = text ?? kind.alone;
  if (written === undefined)
    throw new UsageError(`${name} needs a value; it takes ${kind.accepts}`);
  const value = kind.parse(written);
  if (value !== undefined) return value;
  const hint = didYouMean(written, kind.words ?? []);
  throw new UsageError(
    `${name}: ${JSON.stringify(written)} is not accepted; it takes ${kind.accepts}${hint}`,
  );
}

function wordValues(parameters: Parameters, given: readonly string[]): Map<string, unknown[]> {
  const values = new Map<string, unknown[]>();
  let rest = [...given];
  for (const [name, { kind, many, missing }] of Object.entries(parameters)) {
    const own = many ? rest : rest.slice(0, 1);
    rest = many ? [] : rest.slice(1);
    if (own.length === 0 && missing !== undefined) throw new UsageError(missing);
    const parsed = own.map((text) => {
      const value = kind?.parse(text);
      if (value !== undefined) return value;
      const hint = didYouMean(text, kind?.words ?? []);
      throw new UsageError(
        `${name.toUpperCase()}: ${JSON.stringify(text)} is not accepted; it takes ${kind?.accepts}${hint}`,
      );
    });
    values.set(name, parsed);
  }
  if (rest.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}`);
  return values;
}

function valuesOf<P extends Parameters>(
  parameters: P,
  given: ReadonlyMap<string, readonly unknown[]>,
): ValuesOf<P> {
  const entries = Object.entries(parameters).map(([name, parameter]) => [
    name,
    parameter.value(given.get(name) ?? []),
  ]);
  // Each value is what its parameter makes of what was given.
  return Object.fromEntries(entries) as ValuesOf<P>;
}
