/**
 * Lists the tables of `tsbridge trace`, and those whose traces have ended. Only kernels before 5.12 leave such a table,
 * if the command was killed: later ones delete it with the socket that made it.
 */

import { listTablesRequest, parseTable } from '../../codec/nf-tables/nft-rule-messages.js';
import { memberCount, membersRequest } from '../../codec/nf-tables/nft-sets.js';
import { aliveSet, deleteTraceTableBatch } from '../../codec/nf-tables/tracing/nft-trace-table.js';
import { tracePrefix } from '../../core/trace/chains.js';
import { collectDump } from '../netlink/socket/dump.js';
import { NetlinkError } from '../netlink/socket/netlink-error.js';
import type { NftSocket } from '../nf-tables/nft-socket.js';

/** NETLINK_NETFILTER. */
const netfilter = 12;

/** The tables whose set has no members any more, which is the proof that nobody renews them. */
export async function leftTraces(): Promise<string[]> {
  const found: string[] = [];
  for (const name of await traceTables()) {
    if ((await membersOf(name)) === 0) found.push(name);
  }
  return found;
}

/** How many traces run. */
export async function countTraces(): Promise<number> {
  const [all, left] = await Promise.all([traceTables(), leftTraces()]);
  return all.filter((name) => !left.includes(name)).length;
}

async function traceTables(): Promise<string[]> {
  const tables = await listed();
  return tables.flatMap(({ family, name }) =>
    family === 'inet' && name.startsWith(tracePrefix) ? name : [],
  );
}

/** Errors of a kernel without nf_tables: it has no tables. */
const without: ReadonlySet<string> = new Set(['EINVAL', 'EOPNOTSUPP', 'EPROTONOSUPPORT']);

async function listed(): Promise<NonNullable<ReturnType<typeof parseTable>>[]> {
  try {
    return await collectDump(netfilter, listTablesRequest, parseTable);
  } catch (error) {
    if (error instanceof NetlinkError && without.has(error.code)) return [];
    throw error;
  }
}

/**
 * How many members the set of the table has; undefined: it has no such set, because a socket owns the table, or the
 * table is gone.
 */
async function membersOf(table: string): Promise<number | undefined> {
  try {
    const counts = await collectDump(netfilter, membersRequest(table, aliveSet), memberCount);
    return counts.reduce((sum, count) => sum + count, 0);
  } catch (error) {
    if (error instanceof NetlinkError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Deletes the tables of ended traces. If another process deletes one first, that is no failure: it is gone either way.
 */
export async function removeLeftTraces(socket: Pick<NftSocket, 'transaction'>): Promise<void> {
  for (const name of await leftTraces()) {
    await socket.transaction(deleteTraceTableBatch(name), false);
  }
}
