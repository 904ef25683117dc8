/** Reads settings and tables of the kernel, and the disk, for `tsbridge doctor`; changes nothing. */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { release } from 'node:os';
import {
  parseConntrackDrops,
  parseNeighbourStat,
  parseSettingLines,
} from '../../../codec/kernel-tables.js';
import type { Conntrack, Disk, Neighbours, SettingLine } from '../../../core/doctor/facts.js';

const textOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );

/** Reads settings by their paths below `folder`. The answer leaves out those that the kernel does not have. */
export async function readSettings(
  paths: readonly string[],
  folder = '/proc/sys',
): Promise<Map<string, string>> {
  const found = await Promise.all(
    paths.map(async (path) => [path, await textOf(`${folder}/${path}`)] as const),
  );
  return new Map(found.flatMap(([path, value]) => (value === undefined ? [] : [[path, value]])));
}

/** The folders of sysctl.d(5). */
const settingFolders = [
  '/etc/sysctl.d',
  '/run/sysctl.d',
  '/usr/local/lib/sysctl.d',
  '/usr/lib/sysctl.d',
];

export async function readSettingLines(
  folders: readonly string[] = settingFolders,
  more: readonly string[] = ['/etc/sysctl.conf'],
): Promise<SettingLine[]> {
  const listed = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => []);
      return names.filter((name) => name.endsWith('.conf')).map((name) => `${folder}/${name}`);
    }),
  );
  const files = [...listed.flat(), ...more];
  const lines = await Promise.all(
    files.map(async (file) => parseSettingLines(file, (await textOf(file)) ?? '')),
  );
  return lines.flat();
}

/** Connection tracking of this network namespace; all numbers are 0 if the kernel has none. */
export async function readConntrack(proc = '/proc'): Promise<Conntrack> {
  const [entries, most, stat] = await Promise.all([
    textOf(`${proc}/sys/net/netfilter/nf_conntrack_count`),
    textOf(`${proc}/sys/net/netfilter/nf_conntrack_max`),
    textOf(`${proc}/net/stat/nf_conntrack`),
  ]);
  return {
    entries: Number(entries ?? 0),
    most: Number(most ?? 0),
    dropped: parseConntrackDrops(stat ?? ''),
  };
}

/**
 * The tables of neighbours, which the whole host shares. The kernel shows them in its first network namespace;
 * elsewhere the answer is empty.
 */
export async function readNeighbours(proc = '/proc'): Promise<Neighbours[]> {
  const found = await Promise.all(
    ([4, 6] as const).map(async (family): Promise<Neighbours[]> => {
      const [most, stat] = await Promise.all([
        textOf(`${proc}/sys/net/ipv${family}/neigh/default/gc_thresh3`),
        textOf(`${proc}/net/stat/${family === 4 ? 'arp' : 'ndisc'}_cache`),
      ]);
      if (most === undefined || stat === undefined) return [];
      return [{ family, most: Number(most), ...parseNeighbourStat(stat) }];
    }),
  );
  return found.flat();
}

/** TMPFS_MAGIC and RAMFS_MAGIC of statfs(2). */
const inMemory: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

export async function readDisk(folder: string): Promise<Disk> {
  const { bavail, blocks, bsize, type } = await statfs(folder);
  return {
    folder,
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    isMemory: inMemory.has(type),
  };
}

/** Whether `ufw enable` was the last word in ufw's own settings. */
export async function readUfwIsOn(file = '/etc/ufw/ufw.conf'): Promise<boolean> {
  return /^\s*ENABLED\s*=\s*yes\b/im.test((await textOf(file)) ?? '');
}

export const readKernel = (): string => release();
