/**
 * Reads the rules of all programs at one moment: those of both variants of iptables, and which native chains there are.
 */
import { readFile } from 'node:fs/promises';
import { readTables } from '../../codec/iptables/iptables-words.js';
import { wholeLines } from '../../codec/iptables/save-lines.js';
import { listChainsRequest, parseBaseChain } from '../../codec/nf-tables/nft-chains.js';
import type { Family } from '../../core/address.js';
import { messageOf } from '../../core/errors.js';
import type { RuleTable } from '../../core/explain/chains/rule-table.js';
import { collectDump } from '../netlink/socket/dump.js';
import { netlinkProtocol } from '../netlink/socket/netlink-socket.js';
import { CommandError, runCommand } from '../process/exec.js';

/** A native base chain: one at a hook, in a table that iptables does not show. */
export interface NativeChain {
  /** `ip`, `ip6`, `inet` */
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** `forward` */
  readonly hook: string;
  readonly policy: 'accept' | 'drop';
}

export interface RuleSets {
  readonly tables: readonly RuleTable[];
  /** Native chains: those of tables that iptables does not show. */
  readonly native: readonly NativeChain[];
  /** Why a part could not be read, a sentence each. */
  readonly warnings: readonly string[];
}

const limits = { timeoutMs: 10_000 };
const programs = { 4: 'iptables', 6: 'ip6tables' } as const;
/** Names of iptables' tables that the kernel has made for its legacy variant. */
const legacyNames = { 4: '/proc/net/ip_tables_names', 6: '/proc/net/ip6_tables_names' } as const;

export async function readRuleSets(family: Family): Promise<RuleSets> {
  const warnings: string[] = [];
  const [nft, legacy, native] = await Promise.all([
    saved(`${programs[family]}-nft-save`, family, 'nft', warnings),
    hasLegacy(family).then((has) =>
      has ? saved(`${programs[family]}-legacy-save`, family, 'legacy', warnings) : [],
    ),
    nativeChains(family).catch(async (error: unknown) => {
      const reason = `nft could not be run: ${messageOf(error)}`;
      try {
        return await chainsOfKernel(family);
      } catch {
        warnings.push(`${reason}; tables that nft made are not known`);
        return [];
      }
    }),
  ]);
  return { tables: [...nft, ...legacy], native: notShown(native, family, nft), warnings };
}

/** Reads what {@link nativeChains} reads from the kernel itself, for a host without the program nft. @throws {NetlinkError} */
async function chainsOfKernel(family: Family): Promise<NativeChain[]> {
  const chains = await collectDump(netlinkProtocol.netfilter, listChainsRequest, parseBaseChain);
  return chains
    .filter((chain) => familiesOf(family).includes(chain.family))
    .map(({ hook, ...chain }) => ({ ...chain, hook: hook.toLowerCase() }));
}

const familiesOf = (family: Family): readonly string[] => ['inet', family === 4 ? 'ip' : 'ip6'];

/** Native chains that iptables does not show, of both families. @throws {Error} if nft or iptables cannot be asked */
export async function readNativeChains(): Promise<NativeChain[]> {
  const chains: NativeChain[] = [];
  for (const family of [4, 6] as const) {
    const warnings: string[] = [];
    const nft = await saved(`${programs[family]}-nft-save`, family, 'nft', warnings);
    chains.push(...notShown(await nativeChains(family), family, nft));
  }
  return chains;
}

function notShown(
  native: readonly NativeChain[],
  family: Family,
  nft: readonly RuleTable[],
): NativeChain[] {
  const shown = new Set(nft.map(({ name }) => name));
  const own = family === 4 ? 'ip' : 'ip6';
  return native.filter(({ family: of, table }) => of !== own || !shown.has(table));
}

/** @param text of iptables-save */
export function tablesIn(text: string, family: Family, variant: RuleTable['variant']): RuleTable[] {
  return readTables(wholeLines(text), family, variant);
}

/**
 * The text of iptables-legacy-save. Empty if the kernel has no legacy table: the program is not run then, because it
 * would make one.
 */
export async function readLegacyText(family: Family): Promise<string> {
  if (!(await hasLegacy(family))) return '';
  return (await runCommand(`${programs[family]}-legacy-save`, ['-c'], limits)).stdout;
}

async function saved(
  program: string,
  family: Family,
  variant: RuleTable['variant'],
  warnings: string[],
): Promise<RuleTable[]> {
  try {
    const { stdout } = await runCommand(program, ['-c'], limits);
    return tablesIn(stdout, family, variant);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    warnings.push(`${program} could not be run, so its rules are not known: ${error.message}`);
    return [];
  }
}

async function hasLegacy(family: Family): Promise<boolean> {
  const names = await readFile(legacyNames[family], 'utf8').catch(() => '');
  return names.trim() !== '';
}

interface ListedChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

async function nativeChains(family: Family): Promise<NativeChain[]> {
  const families = familiesOf(family);
  const { stdout } = await runCommand('nft', ['-j', 'list', 'chains'], limits);
  const { nftables } = JSON.parse(stdout) as { nftables: { chain?: ListedChain }[] };
  return nftables.flatMap(({ chain }) =>
    chain?.hook !== undefined && families.includes(chain.family)
      ? {
          ...{ family: chain.family, table: chain.table, chain: chain.name, hook: chain.hook },
          policy: chain.policy === 'drop' ? 'drop' : 'accept',
        }
      : [],
  );
}
