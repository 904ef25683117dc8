/** Finds out whether all rules of this host are of nf_tables, whose reports tell how far a traced packet came. */
import { access, readFile } from 'node:fs/promises';
import type { TracedHooks } from '../../core/trace/chains.js';

/** The tables that iptables-legacy has in this network namespace. */
const legacyNames = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'];
/** This file exists where the kernel has IPVS, which takes packets at INPUT and FORWARD without a report. */
const balanced = '/proc/net/ip_vs';

/** @returns `every-hook` if something on this host takes packets without a report: rules of iptables-legacy, or IPVS */
export async function hooksToTrace(): Promise<TracedHooks> {
  const legacy = await Promise.all(
    legacyNames.map((name) => readFile(name, 'utf8').catch(() => '')),
  );
  const isBalanced = await access(balanced).then(
    () => true,
    () => false,
  );
  return isBalanced || legacy.some((names) => names.trim() !== '') ? 'every-hook' : 'ends';
}
