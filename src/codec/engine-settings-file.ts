/** Reads what dockerd was started with, beside its settings of networks: its arguments, and its file daemon.json. */
import { parseCidr } from '../core/address.js';
import type { AddressPool, EngineSettings } from '../core/doctor/facts.js';

/** The pools of an engine that was given none (moby ipamutils, since 19.03: `localScopeDefaultNetworks`). */
const defaultPools: readonly (readonly [string, number])[] = [
  ...[17, 18, 19].map((number) => [`172.${number}.0.0/16`, 16] as const),
  ...[20, 24, 28].map((number) => [`172.${number}.0.0/14`, 16] as const),
  ['192.168.0.0/16', 20],
];

/** Entries that are no pools are left out: the engine would not have started with them. */
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
 * The pools that an administrator gave dockerd.
 *
 * @param args of dockerd, without the program's name
 * @param file text of its settings file; one that is no JSON counts as empty, since the engine started all the same
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
  return {
    liveRestore: flag === undefined ? restore === true : !flag.endsWith('=false'),
    pools: given.length > 0 ? given : defaultPools.flatMap(([base, size]) => poolOf(base, size)),
  };
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
