/**
 * What a command is: an entry of the table from which parsing, `--help`, manual pages, completion and
 * docs/commands.md come.
 */
import type { ExitName, Terminal } from '../terminal.js';
import type { Kind } from './kinds.js';

/** A flag, or a word beside the flags, whose value has this type. */
export interface Parameter<T> {
  /** undefined: a flag that takes no value. */
  readonly kind: Kind<unknown> | undefined;
  /** A phrase: what it is, or what happens with it. */
  readonly help: string;
  /** May be given more than once; for a word: takes all that follow. */
  readonly many: boolean;
  /** A word without which the command line is wrong, and what is said then. */
  readonly missing?: string;
  /** The value of what was given, in order. Only `parse` of the kind makes the values. */
  value(given: readonly unknown[]): T;
}

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;
export type ValuesOf<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Parameter<infer T> ? T : never;
};

/** A flag that takes no value. */
export function flag(help: string): Parameter<boolean> {
  return { kind: undefined, help, many: false, value: (given) => given.length > 0 };
}

/** A flag with a value, or a word that may be left out; the last one given counts. */
export function optional<T>(kind: Kind<T>, help: string): Parameter<T | undefined> {
  return { kind, help, many: false, value: (given) => given.at(-1) as T | undefined };
}

/** A flag with a value that may be given several times, or any number of words. */
export function several<T>(kind: Kind<T>, help: string): Parameter<readonly T[]> {
  return { kind, help, many: true, value: (given) => given as readonly T[] };
}

/** A word that has to be there. @param missing what to say when it is not */
export function required<T>(kind: Kind<T>, help: string, missing: string): Parameter<T> {
  return { kind, help, many: false, missing, value: (given) => given[0] as T };
}

/** A command line, and what it does. */
export interface Example {
  /** As one types it, from `tsbridge` on. */
  readonly line: string;
  readonly does: string;
}

/** What each exit code means for the command, the codes that it can end with. */
export type Exits = Readonly<Partial<Record<ExitName, string>>>;

export interface CommandLine<Words extends Parameters, Flags extends Parameters> {
  /** Beside the flags, in order, by the names that help shows in capitals. */
  readonly words: ValuesOf<Words>;
  readonly flags: ValuesOf<Flags>;
}

/** One entry of the table. */
export interface Entry<Words extends Parameters, Flags extends Parameters> {
  readonly name: string;
  /** One phrase for the list of commands. */
  readonly summary: string;
  /** Paragraphs: what it does, and what one should know before. */
  readonly about: readonly string[];
  readonly words: Words;
  readonly flags: Flags;
  readonly examples: readonly Example[];
  readonly exits: Exits;
  /** The name of the schema of its `--json` (docs/schema/NAME.json); undefined: it has no `--json`. */
  readonly schema?: string;
  /** Of its table: the name that `--columns` and `--sort` take, and what it shows. */
  readonly columns?: readonly (readonly [name: string, about: string])[];
  /** true: not listed anywhere. */
  readonly hidden?: boolean;
  /** More text for the end of the help, in lines of their own. */
  readonly notes?: string;
}

/** An entry with its types forgotten, as the table holds it. */
export interface Command extends Entry<Parameters, Parameters> {
  /** Reads the arguments and runs; answers with one of the exit codes. */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}
