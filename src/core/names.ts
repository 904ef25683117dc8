/** Identifiers and interface names: what Docker sends, and what the kernel takes. */
import type { Brand } from './address.js';

/** 64 lower-case hexadecimal digits or, of a network of swarm, 25 lower-case letters and digits. */
export type NetworkId = Brand<string, 'NetworkId'>;
/** 64 lower-case hexadecimal digits. */
export type EndpointId = Brand<string, 'EndpointId'>;
/** 64 lower-case hexadecimal digits. */
export type ContainerId = Brand<string, 'ContainerId'>;
/** The name of a container or a network, as Docker accepts names. */
export type EngineName = Brand<string, 'EngineName'>;
/** 1 to 15 bytes that the kernel, iptables, nft, `ip -batch` and sysctl paths all take as they are. */
export type InterfaceName = Brand<string, 'InterfaceName'>;
/** As {@link InterfaceName}, with room for the index that the engine appends. */
export type InterfacePrefix = Brand<string, 'InterfacePrefix'>;

/** IFNAMSIZ - 1. */
export const maxInterfaceName = 15;

const idPattern = /^[0-9a-f]{64}$/;
/** swarmkit's `identity.NewID`: 128 random bits to the base of 36. */
const swarmIdPattern = /^[0-9a-z]{25}$/;

export function parseNetworkId(text: string): NetworkId | undefined {
  const isId = idPattern.test(text) || swarmIdPattern.test(text);
  return isId ? (text as NetworkId) : undefined;
}

export function parseEndpointId(text: string): EndpointId | undefined {
  return idPattern.test(text) ? (text as EndpointId) : undefined;
}

export function parseContainerId(text: string): ContainerId | undefined {
  return idPattern.test(text) ? (text as ContainerId) : undefined;
}

/** Docker itself sets no limit to the length. */
export function parseEngineName(text: string): EngineName | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/.test(text) ? (text as EngineName) : undefined;
}

/** Characters that the kernel refuses, or that some of these programs would need quoted. */
const refusedCharacters = /[/:%\p{White_Space}]|["'#\\]|[\p{C}\p{Z}]/u;
/** `-` begins a program's option, `!` is iptables' negation, and `+` at the end its wildcard. */
const misread = /^[-!]|\+$/;
/** Names of folders, and of directories below /proc/sys/net/…/conf that are no interfaces. */
const reserved: ReadonlySet<string> = new Set(['.', '..', 'all', 'default']);

/** Accepts what the kernel accepts, except for names that another program would not take literally. */
export function parseInterfaceName(text: string): InterfaceName | undefined {
  const { length } = new TextEncoder().encode(text);
  if (length < 1 || length > maxInterfaceName || reserved.has(text)) return undefined;
  if (refusedCharacters.test(text) || misread.test(text)) return undefined;
  return text as InterfaceName;
}

/** At most 12 characters, so that `PREFIX` and an index of three digits still fit. */
export function parseInterfacePrefix(text: string): InterfacePrefix | undefined {
  if (text === '' || /\d$/.test(text)) return undefined;
  return parseInterfaceName(`${text}000`) === undefined
    ? undefined
    : (text as unknown as InterfacePrefix);
}

/** Four bytes that are as random as the id. */
export function networkIdBytes(id: NetworkId): Uint8Array {
  if (idPattern.test(id)) return Uint8Array.from(Buffer.from(id.slice(0, 8), 'hex'));
  // The low 32 bits of the number that the characters are, to the base of 36.
  const bits = [...id].reduce((sum, digit) => {
    return (Math.imul(sum, 36) + Number.parseInt(digit, 36)) >>> 0;
  }, 0);
  return Uint8Array.from([bits >>> 24, bits >>> 16, bits >>> 8, bits]);
}

/** The device of a network that names none: `br-` and the first 12 characters of its id. */
export function defaultBridgeName(id: NetworkId): InterfaceName {
  return `br-${id.slice(0, 12)}` as InterfaceName;
}

export interface VethNames {
  /** Stays in the host's namespace, on the bridge. */
  readonly host: InterfaceName;
  /** Is moved into the container and renamed there. */
  readonly container: InterfaceName;
}

/**
 * `veth` and 7 hexadecimal digits, as Docker names them. Docker draws random digits; here they are cut from
 * the endpoint's id (itself random), so that a repeated call finds the links of the first one.
 * Each `attempt` from 0 to 3 gives other digits, for the case that a name is taken.
 */
export function vethNames(id: EndpointId, attempt = 0): VethNames {
  const start = attempt * 14;
  return {
    host: `veth${id.slice(start, start + 7)}` as InterfaceName,
    container: `veth${id.slice(start + 7, start + 14)}` as InterfaceName,
  };
}

/** The 12 digits by which people know a network, an endpoint or a container. */
export function shortId(id: NetworkId | EndpointId | ContainerId): string {
  return id.slice(0, 12);
}
