/** Interfaces by which others reach this host. */
import type { HostAddresses } from '../../codec/host-addresses.js';
import { readHostAddresses } from './addresses.js';
import { isBridge as isBridgeHere } from './host-answers.js';

export interface Uplink {
  readonly name: string;
  /** Addresses with prefix lengths, without those that other hosts cannot send to (link-local ones, e.g.). */
  readonly addresses: readonly string[];
}

export interface HostInterfaces {
  /** Interfaces with addresses that are no bridges, and `lo` as the last. */
  readonly uplinks: readonly Uplink[];
  /** All bridges of the host, also those without addresses. */
  readonly bridges: readonly Uplink[];
}

/** @throws {CommandError} if `ip` cannot be run */
export async function readInterfaces(): Promise<HostInterfaces> {
  return sortedInterfaces(await readHostAddresses(), isBridgeHere);
}

/** Sorts the interfaces of a host into uplinks and bridges. */
export function sortedInterfaces(
  addresses: HostAddresses,
  isBridge: (name: string) => boolean,
): HostInterfaces {
  const all = addresses.byInterface();
  const outer = all.filter(
    ({ name, addresses }) => name !== 'lo' && addresses.length > 0 && !isBridge(name),
  );
  return {
    uplinks: [...outer, { name: 'lo', addresses: ['this host only'] }],
    bridges: all.filter(({ name }) => isBridge(name)),
  };
}
