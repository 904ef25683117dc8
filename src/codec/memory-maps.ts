/** Mappings of a process's memory, as /proc/PID/smaps lists them (proc_pid_smaps(5)). */

export interface Mapping {
  readonly address: bigint;
  readonly bytes: bigint;
}

/** `55d0c0a00000-55d0c2e00000 r-xp 01200000 fe:01 263404    /usr/lib/tsbridge/bin/node` */
const headline = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ \d+ *(.*)$/;

/**
 * The private, read-only mappings of this file in which every page is as the file has it. A mapping in which the process
 * has a page of its own is left out (the dynamic linker makes such pages when it writes addresses into them), and so is
 * one of which no page is in memory.
 *
 * @param file the path by which the list names the file
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
