/** The three places that settings come from, each turned into settings and problems. */
import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import type { FieldName } from './fields.js';
import { environmentName, environmentPrefix, fieldNames, fields, fileKey } from './fields.js';

/** A setting as text, before its kind has parsed it. */
export interface Setting {
  readonly name: FieldName;
  readonly text: string;
  /** Where it stands, as the person who wrote it would find it. */
  readonly where: string;
}

export interface Source {
  readonly settings: readonly Setting[];
  readonly problems: readonly string[];
}

const flagNames = fieldNames.map((name) => fields[name].flag);

/**
 * `--flag value`, `--flag=value`, and `--flag` alone for those that can stand alone. Of a flag that
 * is given twice the last counts, as with Docker.
 */
export function readFlags(args: readonly string[]): Source {
  const settings: Setting[] = [];
  const problems: string[] = [];
  // Every flag is declared boolean, known or not, so that no token swallows the next one.
  const { tokens } = parseArgs({ args: [...args], options: {}, strict: false, tokens: true });
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index];
    if (token?.kind !== 'option') {
      if (token?.kind === 'positional') problems.push(`unexpected argument ${quote(token.value)}`);
      continue;
    }
    let value = token.value;
    const next = tokens[index + 1];
    if (value === undefined && next?.kind === 'positional') {
      value = next.value;
      index++;
    }
    const name = fieldNames.find((field) => `--${fields[field].flag}` === token.rawName);
    if (name === undefined) {
      const hint = didYouMean(token.name, flagNames, (flag) => `--${flag}`);
      problems.push(`unknown flag ${token.rawName}${hint}`);
      continue;
    }
    const { alone, accepts } = fields[name].kind;
    const text = value ?? alone;
    if (text === undefined) problems.push(`${token.rawName} needs a value; it takes ${accepts}`);
    else settings.push({ name, text, where: token.rawName });
  }
  return { settings, problems };
}

/** Every `TSBRIDGE_…` variable; an empty one counts as not set, as a blank line in a unit does. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Source {
  const settings: Setting[] = [];
  const problems: string[] = [];
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(environmentPrefix) || text === undefined || text === '') continue;
    const name = fieldNames.find((field) => environmentName(field) === variable);
    if (name !== undefined) settings.push({ name, text, where: variable });
    else {
      const hint = didYouMean(variable, fieldNames.map(environmentName));
      problems.push(`unknown environment variable ${variable}${hint}`);
    }
  }
  return { settings, problems };
}

/** One JSON object; values may be written as JSON has them (`true`, `30`) or as text. */
export function readFileText(path: string, text: string): Source {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return { settings: [], problems: [`${path} is not JSON: ${messageOf(error)}`] };
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return { settings: [], problems: [`${path} must hold one JSON object, { … }`] };
  }
  const settings: Setting[] = [];
  const problems: string[] = [];
  const keys = fieldNames.map(fileKey).filter((key) => key !== undefined);
  for (const [key, value] of Object.entries(document)) {
    const where = `${quote(key)} in ${path}`;
    const name = fieldNames.find((field) => fileKey(field) === key);
    if (name === undefined) {
      problems.push(`unknown key ${where}${didYouMean(key, keys, quote)}`);
    } else if (!['string', 'number', 'boolean'].includes(typeof value)) {
      problems.push(`${where}: ${JSON.stringify(value)} is not accepted; ${takes(name)}`);
    } else settings.push({ name, text: String(value), where });
  }
  return { settings, problems };
}

/** The end of a problem: `it takes true or false`. */
export function takes(name: FieldName): string {
  return `it takes ${fields[name].kind.accepts}`;
}

/** The value in quotation marks, on one line: line breaks in it are escaped. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
