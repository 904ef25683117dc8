/** Reads the kernel's counters of this network namespace from /proc. */
import { readFile } from 'node:fs/promises';
import { type KernelCounters, readKernelCounters as read } from '../../core/trace/counters.js';

const files = ['snmp', 'netstat', 'snmp6'];

/** A file that is not there (without IPv6, say) adds no counters. */
export async function readKernelCounters(): Promise<KernelCounters> {
  return read(
    await Promise.all(
      files.map((name) => readFile(`/proc/self/net/${name}`, 'utf8').catch(() => '')),
    ),
  );
}
