/** Reads native tables, with their rules and sets as they are at one moment. */
import { readNativeTable } from '../../codec/nft/native-tables.js';
import { messageOf } from '../../core/errors.js';
import type { NativeTable } from '../../core/explain/native/native-table.js';
import { runCommand } from '../process/exec.js';
import type { NativeChain } from './rule-sets.js';

export interface NativeTablesRead {
  readonly tables: readonly NativeTable[];
  /** Chains of tables that could not be read. */
  readonly unread: readonly NativeChain[];
  /** Why not, in words. */
  readonly warnings: readonly string[];
}

const limits = { timeoutMs: 10_000 };

/** @param chains of the tables in question */
export async function readNativeTables(chains: readonly NativeChain[]): Promise<NativeTablesRead> {
  const tables: NativeTable[] = [];
  const unread: NativeChain[] = [];
  const warnings: string[] = [];
  const first = new Map(chains.map((chain) => [`${chain.family} ${chain.table}`, chain]));
  for (const [name, { family, table }] of first) {
    const ofTable = chains.filter((chain) => chain.family === family && chain.table === table);
    try {
      const read = await listed(family, table);
      if (read === undefined) unread.push(...ofTable);
      else tables.push(read);
    } catch (error) {
      unread.push(...ofTable);
      warnings.push(`table ${name} could not be read: ${messageOf(error)}`);
    }
  }
  return { tables, unread, warnings };
}

async function listed(family: string, name: string): Promise<NativeTable | undefined> {
  const { json, text } = await listings(family, name);
  return readNativeTable(json, text);
}

/** The two listings of each native table that has one of the chains. @throws {CommandError} */
export async function readNativeListings(
  chains: readonly NativeChain[],
): Promise<readonly Listings[]> {
  const names = new Map(chains.map((chain) => [`${chain.family} ${chain.table}`, chain]));
  const found: Listings[] = [];
  for (const { family, table } of names.values()) found.push(await listings(family, table));
  return found;
}

/** As `nft -jn list table` and `nft -a list table` print a table. */
export interface Listings {
  readonly json: string;
  readonly text: string;
}

async function listings(family: string, name: string): Promise<Listings> {
  const list = ['list', 'table', family, name];
  const [json, text] = await Promise.all([
    runCommand('nft', ['-jn', ...list], limits),
    runCommand('nft', ['-a', ...list], limits),
  ]);
  return { json: json.stdout, text: text.stdout };
}
