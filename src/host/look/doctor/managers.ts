/** Reads which interfaces systemd-networkd and NetworkManager configure, from the files that both keep in /run. */
import { readFile } from 'node:fs/promises';
import type { ManagedLink } from '../../../core/doctor/facts.js';
import { linkIndex } from '../../netlink/socket/link-names.js';

const folders = {
  'systemd-networkd': 'systemd/netif/links',
  NetworkManager: 'NetworkManager/devices',
} as const;

/**
 * What each program's file of an interface says, by the first group; a file without it is of one that is left alone. An
 * interface that systemd-networkd has not decided about yet is `pending`, and one that NetworkManager only watches has
 * no line `managed`.
 */
const says = {
  'systemd-networkd': /^ADMIN_STATE=(configuring|configured|failed)$/m,
  NetworkManager: /^managed=true$/m,
} as const;

export async function readManagedLinks(
  names: readonly string[],
  run = '/run',
  indexOf: (name: string) => number | undefined = linkIndex,
): Promise<ManagedLink[]> {
  const managers = Object.keys(folders) as (keyof typeof folders)[];
  const found = await Promise.all(
    names.flatMap((name) => {
      const index = indexOf(name);
      if (index === undefined) return [];
      return managers.map(async (manager): Promise<ManagedLink[]> => {
        const file = `${run}/${folders[manager]}/${index}`;
        const text = await readFile(file, 'utf8').catch(() => '');
        const match = says[manager].exec(text);
        return match === null ? [] : [{ name, manager, state: match[1] ?? 'managed' }];
      });
    }),
  );
  return found.flat();
}
