/**
 * Docker's option maps: reading one value after the other, noting each that does not parse.
 *
 * Booleans are what Go's `strconv.ParseBool` takes and integers what `strconv.Atoi` takes, as in
 * Docker's drivers; messages begin with Docker's `failed to parse LABEL value: V (reason)`
 * (docs/docker-bridge.md 4.1 and 4.2).
 */
import { type Family, familyOf, type IpAddress, parseHostIp } from '../address.js';
import { type Problems, show } from '../problems.js';

export type OptionMap = Readonly<Record<string, unknown>>;

/**
 * Keys of the engine outside of the `-o` labels, and of endpoints (docs/docker-bridge.md 6.2 and
 * 6.3).
 */
export const wellKnown = {
  generic: 'com.docker.network.generic',
  enableIpv4: 'com.docker.network.enable_ipv4',
  enableIpv6: 'com.docker.network.enable_ipv6',
  internal: 'com.docker.network.internal',
  portMap: 'com.docker.network.portmap',
  exposedPorts: 'com.docker.network.endpoint.exposedports',
  sysctls: 'com.docker.network.endpoint.sysctls',
  macAddress: 'com.docker.network.endpoint.macaddress',
  noProxy6To4: 'com.docker.network.driver.private.no_proxy_6to4',
} as const;

/** Options of this driver begin with it; one that does not exist is an error, not ignored. */
export const ownNamespace = 'tsbridge.';

const trueWords = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const falseWords = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** As `strconv.ParseBool`; undefined for everything else. */
export function parseBoolean(text: string): boolean | undefined {
  if (trueWords.has(text)) return true;
  return falseWords.has(text) ? false : undefined;
}

/** As `strconv.Atoi`; undefined also for integers that a number of JavaScript cannot represent exactly. */
export function parseInteger(text: string): number | undefined {
  if (!/^[+-]?\d{1,20}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value + 0 : undefined;
}

/** Only own properties count: `__proto__` in a user's JSON is a name like any other. */
export function optionOf(options: OptionMap, name: string): unknown {
  return Object.hasOwn(options, name) ? options[name] : undefined;
}

export function isOptionMap(value: unknown): value is OptionMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * One option map. Every method returns undefined for an option that is absent or does not parse.
 */
export class OptionReader {
  constructor(
    private readonly options: OptionMap,
    private readonly problems: Problems,
  ) {}

  text(name: string): string | undefined {
    const value = optionOf(this.options, name);
    if (value === undefined || value === null || typeof value === 'string')
      return value ?? undefined;
    if (typeof value === 'boolean' || typeof value === 'number') return String(value);
    this.refuse(name, value, 'not a string');
    return undefined;
  }

  boolean(name: string): boolean | undefined {
    return this.parsed(name, parseBoolean, 'not a boolean: use true or false');
  }

  integer(name: string): number | undefined {
    return this.parsed(name, parseInteger, 'not an integer');
  }

  /** An address; with `family`, one of that family. Docker's reason for a bad one is `nil ip`. */
  address(name: string, family?: Family): IpAddress | undefined {
    const what = family === undefined ? 'IP' : `IPv${family}`;
    const parse = (text: string) => {
      const address = parseHostIp(text);
      const wanted = address !== undefined && (family ?? familyOf(address)) === familyOf(address);
      return wanted ? address : undefined;
    };
    return this.parsed(name, parse, `nil ip: not an ${what} address`);
  }

  /** @param reason why a value is refused, for which `parse` answers undefined */
  parsed<T>(name: string, parse: (text: string) => T | undefined, reason: string): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) this.refuse(name, text, reason);
    return value;
  }

  refuse(name: string, value: unknown, reason: string): void {
    this.problems.add(() => `failed to parse ${show(name)} value: ${show(value)} (${reason})`);
  }
}
