/**
 * What an administrator told dockerd about networks, as settings of this daemon: the engine does not tell
 * plugins its own settings, so that both must be told the same.
 */
import { engineFileJson } from '../core/engine-file.js';
import { messageOf } from '../core/errors.js';
import type { Config, FieldName } from './fields.js';
import { fallbackText, fieldNames, fields, fileKey } from './fields.js';
import { quote, readFileText, type Setting, type Source, takes } from './sources.js';

/** dockerd's flags, which are also the keys of its file, and the fields of this daemon's settings. */
const ofEngine: Readonly<Record<string, FieldName>> = {
  'userland-proxy': 'userlandProxy',
  iptables: 'iptables',
  ip6tables: 'ip6tables',
  'ip-forward': 'ipForward',
  'ip-forward-no-drop': 'ipForwardNoDrop',
  'ip-masq': 'ipMasq',
  ip: 'defaultBindingIp',
  'allow-direct-routing': 'allowDirectRouting',
  'bridge-accept-fwmark': 'bridgeAcceptFwmark',
};
/** @returns undefined for a key of other settings, and for words such as `constructor`, which every object inherits */
const fieldOf = (key: string): FieldName | undefined =>
  Object.hasOwn(ofEngine, key) ? ofEngine[key] : undefined;
/** The switch that dockerd takes from its environment alone. */
const ignoreVariable = 'DOCKER_IGNORE_BR_NETFILTER_ERROR';
/** The daemon's settings that dockerd has, too. */
const sharedWithEngine: readonly FieldName[] = [
  ...Object.values(ofEngine),
  'ignoreBrNetfilterError',
];

/** How dockerd was started. */
export interface EngineStart {
  /** Its arguments, without the program's name. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Its settings file, if there is one. */
  readonly file: { readonly path: string; readonly text: string } | undefined;
}

/** Where dockerd keeps its settings unless an argument says otherwise. */
export function engineFilePath(args: readonly string[]): string {
  return flagValues(args).findLast(({ flag }) => flag === 'config-file')?.text ?? defaultFile;
}
const defaultFile = '/etc/docker/daemon.json';

/** dockerd's settings as this daemon's; those that have nothing to do with networks are left out. */
export function readEngineSettings({ args, environment, file }: EngineStart): Source {
  const settings: Setting[] = [];
  const problems: string[] = [];
  const take = (key: string, text: string, where: string): void => {
    const name = fieldOf(key);
    if (name === undefined) return;
    // `ip6tables` and others stand in the file as booleans; all of them are read as text here.
    if (fields[name].kind.parse(text) !== undefined) settings.push({ name, text, where });
    else problems.push(`${where}: ${quote(text)} is not understood; ${takes(name)}`);
  };
  const document = file === undefined ? {} : objectIn(file, problems);
  for (const [key, value] of Object.entries(document)) {
    take(key, String(value), `"${key}" in ${file?.path}`);
  }
  for (const { flag, text } of flagValues(args)) take(flag, text, `--${flag} of dockerd`);
  const ignore = environment[ignoreVariable];
  if (ignore !== undefined && fields.ignoreBrNetfilterError.kind.parse(ignore) === true) {
    settings.push({ name: 'ignoreBrNetfilterError', text: 'true', where: ignoreVariable });
  }
  return { settings, problems };
}

function objectIn({ path, text }: { path: string; text: string }, problems: string[]): object {
  try {
    const document: unknown = JSON.parse(engineFileJson(text));
    // dockerd takes `null` for an object without keys, as Go decodes it so.
    if (document === null) return {};
    if (typeof document === 'object' && !Array.isArray(document)) {
      return document;
    }
    problems.push(`${path} must hold one JSON object, { … }`);
  } catch (error) {
    problems.push(`${path} is not JSON: ${messageOf(error)}`);
  }
  return {};
}

/** `--flag=value`, `--flag value` where the flag needs one, and `--flag`, as dockerd reads them. */
function flagValues(args: readonly string[]): { flag: string; text: string }[] {
  return args.flatMap((arg, index) => {
    const match = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(arg);
    if (match === null) return [];
    const [, flag = '', value] = match;
    const name = fieldOf(flag);
    const needsValue = flag === 'config-file' || (name && fields[name].kind.alone === undefined);
    return [{ flag, text: value ?? (needsValue ? (args[index + 1] ?? '') : 'true') }];
  });
}

/** A setting that dockerd and this daemon were told differently. */
export interface Difference {
  readonly key: string;
  readonly ours: unknown;
  readonly engine: unknown;
}

/**
 * @param config what this daemon runs with
 * @param engine what dockerd was told; what it was not told has Docker's default, which is this daemon's, too
 */
export function differences(config: Config, engine: readonly Setting[]): Difference[] {
  return sharedWithEngine.flatMap((name) => {
    const { flag, kind, fallback } = fields[name];
    const said = engine.findLast((setting) => setting.name === name);
    // dockerd's default depends on its version, so that it is not known here whether ours differs.
    if (said === undefined && name === 'ip6tables') return [];
    const value: unknown = said === undefined ? fallback : kind.parse(said.text);
    const ours = config[name];
    const isSame = JSON.stringify(ours) === JSON.stringify(value);
    return isSame ? [] : [{ key: flag, ours, engine: value }];
  });
}

/** A variable of this daemon's environment by which a setting stays different from dockerd's, whatever the file says. */
export interface Override {
  readonly variable: string;
  readonly ours: string;
  readonly engine: string;
}

/**
 * @param variables what this daemon's environment says
 * @param engine what dockerd was told
 * @param flagsKnown as of {@link followEngine}
 * @returns the variables whose value is not dockerd's, or is one that this daemon does not accept
 */
export function overrides(
  variables: readonly Setting[],
  engine: readonly Setting[],
  flagsKnown: boolean,
): Override[] {
  return variables.flatMap(({ name, text, where }) => {
    if (!sharedWithEngine.includes(name)) return [];
    const said = engine.findLast((setting) => setting.name === name)?.text;
    if (said === undefined && (!flagsKnown || name === 'ip6tables')) return [];
    const wanted = said ?? fallbackText(name);
    // undefined for the variable: the daemon does not accept it; for dockerd: it has no value, such as no mark. These differ.
    const parsed = (each: string) => JSON.stringify(fields[name].kind.parse(each));
    return parsed(text) !== undefined && parsed(text) === parsed(wanted)
      ? []
      : [{ variable: where, ours: text, engine: wanted }];
  });
}

/** A change of one key of this daemon's settings file. */
export interface KeyChange {
  readonly key: string;
  readonly before: unknown;
  /** undefined: the key is deleted, since dockerd has its default. */
  readonly after: unknown;
  /** Where dockerd's value comes from: a flag, its file or its environment. */
  readonly where: string;
}

/**
 * The settings file with the engine's values for the settings that dockerd has, too; all other keys stay.
 *
 * @param current text of the file that is there; undefined if there is none
 * @param flagsKnown false if dockerd does not run: a setting that is not in its file may be one of its flags, so the
 *   key stays as it is
 */
export function followEngine(
  path: string,
  current: string | undefined,
  engine: readonly Setting[],
  flagsKnown = true,
): { text: string; changes: KeyChange[]; problems: readonly string[] } {
  const { problems } = current === undefined ? { problems: [] } : readFileText(path, current);
  if (problems.length > 0) return { text: current ?? '', changes: [], problems };
  const document = JSON.parse(current ?? '{}') as Record<string, unknown>;
  const changes: KeyChange[] = [];
  for (const name of fieldNames.filter((each) => sharedWithEngine.includes(each))) {
    const key = fileKey(name);
    if (key === undefined) continue;
    const said = engine.findLast((setting) => setting.name === name);
    if (said === undefined && !flagsKnown) continue;
    const after = said === undefined ? undefined : jsonValue(name, said.text);
    const before = document[key];
    if (String(before) === String(after)) continue;
    changes.push({ key, before, after, where: said?.where ?? "dockerd's default" });
    if (after === undefined) delete document[key];
    else document[key] = after;
  }
  return { text: `${JSON.stringify(document, null, 2)}\n`, changes, problems };
}

/** A boolean for a setting that is one; otherwise the text as it was written, since `1` may also be a packet mark. */
function jsonValue(name: FieldName, text: string): unknown {
  const value: unknown = fields[name].kind.parse(text);
  return typeof value === 'boolean' ? value : text;
}
