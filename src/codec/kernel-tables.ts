/** Reads how full the kernel's tables are from files of /proc/net/stat, and lines of sysctl.conf(5). */
import type { SettingLine } from '../core/doctor/facts.js';

/** A file of /proc/net/stat: names of columns, then a line of hexadecimal numbers for each processor. */
function columnsOf(text: string): (name: string) => number[] {
  const [head = '', ...lines] = text.trim().split('\n');
  const names = head.trim().split(/\s+/);
  const rows = lines.map((line) => line.trim().split(/\s+/));
  return (name) => rows.map((row) => Number.parseInt(row[names.indexOf(name)] ?? '0', 16));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

/** @param text of /proc/net/stat/arp_cache or ndisc_cache: `entries` is the same in every line */
export function parseNeighbourStat(text: string): { entries: number; refused: number } {
  const column = columnsOf(text);
  return { entries: column('entries')[0] ?? 0, refused: sum(column('table_fulls')) };
}

/**
 * @param text of /proc/net/stat/nf_conntrack
 * @returns packets that the kernel dropped because the table was full
 */
export function parseConntrackDrops(text: string): number {
  return sum(columnsOf(text)('drop'));
}

/** @param text of a file of sysctl.d: `net.ipv4.ip_forward = 1`, or with slashes */
export function parseSettingLines(file: string, text: string): SettingLine[] {
  return text.split('\n').flatMap((line) => {
    const [, key, value] = /^\s*-?([^#;=\s][^=\s]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) return [];
    // Whichever of `.` and `/` comes first separates the words, as for sysctl(8).
    const slashed = /^[^./]*\//.test(key);
    return [{ file, path: slashed ? key : key.replaceAll('.', '/'), value }];
  });
}
