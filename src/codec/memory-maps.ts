/** Mappings of a process's memory, as /proc/PID/smaps lists them (proc_pid_smaps(5)). */

export interface Mapping {
  readonly address: bigint;
  readonly bytes: bigint;
}

/** `55d0c0a00000-55d0c2e00000 r-xp 01200000 fe:01 263404    /usr/lib/tsbridge/bin/node` */
const headline = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ \d+ *(.*)$/;

/**
 * The mappings of this file that nobody can write to and that are as the file is: none of their pages is the process's
 * own copy, as those are in which the linker has put addresses. Mappings without a page in memory are left out.
 *
 * @param file as the list names it
 */
export function unchangedMappings(smaps: string, file: string): Mapping[] {
  const found: Mapping[] = [];
  let mapping: Mapping | undefined;
  let resident = false;
  for (const line of smaps.split('\n')) {
    const [, from, to, access = '', name] = headline.exec(line) ?? [];
    if (from !== undefined && to !== undefined) {
      const address = BigInt(`0x${from}`);
      const isCandidate = name === file && /^r-[x-]p$/.test(access);
      mapping = isCandidate ? { address, bytes: BigInt(`0x${to}`) - address } : undefined;
      continue;
    }
    if (mapping === undefined) continue;
    const [, field, kilobytes] = /^(Rss|Anonymous): +(\d+) kB$/.exec(line) ?? [];
    if (field === 'Rss') resident = kilobytes !== '0';
    if (field === 'Anonymous' && kilobytes === '0' && resident) found.push(mapping);
  }
  return found;
}
