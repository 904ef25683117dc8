/** Reads two settings of dockerd, address pools and live-restore, from its arguments and the text of daemon.json. */
import { parseCidr } from '../core/address.js';
import type { AddressPool, EngineSettings } from '../core/doctor/facts.js';
import { engineFileJson } from '../core/engine-file.js';
import { parseBoolean } from '../core/options/option-reader.js';

/**
 * Pools of an engine whose administrator gave it none, as prefix and length of a subnet (moby ipamutils, since 19.03:
 * `localScopeDefaultNetworks`).
 */
const defaultPools: readonly (readonly [string, number])[] = [
  ...[17, 18, 19].map((number) => [`172.${number}.0.0/16`, 16] as const),
  ...[20, 24, 28].map((number) => [`172.${number}.0.0/14`, 16] as const),
  ['192.168.0.0/16', 20],
];

/** The pool; none for an entry that is not a pool: the engine would not have started with it. */
function poolOf(base: unknown, size: unknown): AddressPool[] {
  const cidr = typeof base === 'string' ? parseCidr(base) : undefined;
  const length = Number(size);
  if (cidr === undefined || !(length >= cidr.prefixLength)) return [];
  return [{ base: cidr, size: length }];
}

/** `--flag=value` or `--flag value`: the values. */
function valuesOf(args: readonly string[], flag: string): string[] {
  return args.flatMap((arg, index) => {
    if (arg === `--${flag}`) return args[index + 1] ?? '';
    return arg.startsWith(`--${flag}=`) ? arg.slice(flag.length + 3) : [];
  });
}

/**
 * The pools that the administrator gave dockerd, of the arguments and of the file.
 *
 * @param args of dockerd, without the program's name
 * @param file text of its settings file; undefined: it has none. One that is not JSON counts as empty
 */
export function givenPools(args: readonly string[], file: string | undefined): AddressPool[] {
  const { 'default-address-pools': pools } = readObject(file ?? '{}');
  return [
    ...valuesOf(args, 'default-address-pool').flatMap((text) =>
      poolOf(/(?:^|,)base=([^,]*)/.exec(text)?.[1], /(?:^|,)size=(\d+)/.exec(text)?.[1]),
    ),
    ...(Array.isArray(pools) ? pools : []).flatMap((each: unknown) => {
      const { base, size } = (each ?? {}) as { base?: unknown; size?: unknown };
      return poolOf(base, size);
    }),
  ];
}

/** @param file as of {@link givenPools} */
export function engineSettings(args: readonly string[], file: string | undefined): EngineSettings {
  const { 'live-restore': restore } = readObject(file ?? '{}');
  const given = givenPools(args, file);
  const flag = args.findLast((arg) => /^--live-restore(=|$)/.test(arg));
  const value = flag?.split('=')[1] ?? 'true';
  return {
    liveRestore: flag === undefined ? restore === true : parseBoolean(value) !== false,
    pools: given.length > 0 ? given : defaultPools.flatMap(([base, size]) => poolOf(base, size)),
  };
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(engineFileJson(text));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
