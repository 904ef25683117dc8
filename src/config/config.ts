/** Flags, environment and file → one frozen {@link Config}, or every problem in them at once. */
import { readFile } from 'node:fs/promises';
import { codeOf, DriverError, messageOf } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import type { Config, FieldName } from './fields.js';
import { fieldNames, fields } from './fields.js';
import type { Setting, Source } from './sources.js';
import { quote, readEnvironment, readFileText, readFlags, takes } from './sources.js';

export type { Config } from './fields.js';

/**
 * What the daemon runs with. A flag beats the environment, which beats the file, which beats the
 * default; what is overridden must be valid all the same.
 *
 * @param args what follows `tsbridge daemon`
 * @throws DriverError `config-invalid`, one line for each problem, with where it stands
 */
export async function readConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Config> {
  const flags = readFlags(args);
  const variables = readEnvironment(environment);
  // Later sources replace earlier ones.
  const sources = [await readConfigFile([variables, flags]), variables, flags];
  const problems = sources.flatMap((source) => source.problems);
  const values: Partial<Record<FieldName, unknown>> = {};
  for (const name of fieldNames) values[name] = fields[name].fallback;
  for (const setting of sources.flatMap((source) => source.settings)) {
    const value = fields[setting.name].kind.parse(setting.text);
    if (value === undefined) problems.push(notAccepted(setting));
    else values[setting.name] = value;
  }
  if (problems.length > 0) throw invalid(problems);
  // Complete, and every value of its field's type: it is the fallback, or what the kind parsed.
  return Object.freeze(values as unknown as Config);
}

/** The default file may be absent; a file that the administrator named may not. */
async function readConfigFile(sources: readonly Source[]): Promise<Source> {
  const { kind, fallback } = fields.configFile;
  const named = sources
    .flatMap((source) => source.settings)
    .filter((setting) => setting.name === 'configFile')
    .at(-1);
  const path = named === undefined ? fallback : kind.parse(named.text);
  if (path === undefined) return { settings: [], problems: [] }; // Reported with the other bad values.
  try {
    return readFileText(path, await readFile(path, 'utf8'));
  } catch (error) {
    const absent = codeOf(error) === 'ENOENT';
    if (absent && named === undefined) return { settings: [], problems: [] };
    return { settings: [], problems: [`${path} cannot be read: ${messageOf(error)}`] };
  }
}

function notAccepted({ name, text, where }: Setting): string {
  const hint = didYouMean(text, fields[name].kind.words ?? []);
  return `${where}: ${quote(text)} is not accepted; ${takes(name)}${hint}`;
}

function invalid(problems: readonly string[]): DriverError {
  const list = problems.map((problem) => `  - ${problem}`).join('\n');
  return new DriverError(
    'config-invalid',
    `tsbridge cannot start with this configuration:\n${list}\n` +
      '`tsbridge daemon --help` lists every setting and what it takes.',
  );
}
