/** Interfaces by which others reach this host. */
import { existsSync } from 'node:fs';
import { readHostAddresses } from './addresses.js';

export interface Uplink {
  readonly name: string;
  /** Addresses with prefix lengths, without those that other hosts cannot send to (link-local ones, e.g.). */
  readonly addresses: readonly string[];
}

/**
 * Interfaces with addresses that are no bridges, and `lo` as the last.
 *
 * @throws {CommandError} if `ip` cannot be run
 */
export async function readUplinks(): Promise<readonly Uplink[]> {
  const all = (await readHostAddresses()).byInterface();
  const outer = all.filter(
    ({ name, addresses }) =>
      name !== 'lo' && addresses.length > 0 && !existsSync(`/sys/class/net/${name}/bridge`),
  );
  return [...outer, { name: 'lo', addresses: ['this host only'] }];
}
