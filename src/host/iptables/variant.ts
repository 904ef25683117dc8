/**
 * Which of the two iptables a host uses: `nft` (rules in nf_tables) or `legacy` (x_tables). Both can be
 * installed, and the kernel applies the rules of both; but a rule in one cannot jump to a chain of the
 * other, so the daemon has to use the one that has Docker's chains.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { incompatibleTables } from '../../codec/iptables/iptables-save.js';
import type { Family } from '../../core/address.js';
import { DriverError } from '../../core/errors.js';
import { CommandError, pathOf, runCommand } from '../process/exec.js';
import { chainsOf, firewallTimeoutMs } from './partial-read.js';

export type Variant = 'nft' | 'legacy';

/** The commands of one family's variant on this host. */
export interface FirewallCommands {
  readonly variant: Variant;
  /** `iptables-nft-save`, or `iptables-save` where the variant has no name of its own. */
  readonly save: string;
  readonly restore: string;
  /** `iptables-nft` itself, which lists one chain at a time. */
  readonly tool: string;
}

const toolOf: Readonly<Record<Family, string>> = { 4: 'iptables', 6: 'ip6tables' };
const legacyTablesFile: Readonly<Record<Family, string>> = {
  4: '/proc/net/ip_tables_names',
  6: '/proc/net/ip6_tables_names',
};
/** Docker's own chains; DOCKER-USER is left out, since administrators make it too. */
const dockerChain = /^:DOCKER(-ISOLATION\S*|-FORWARD|-BRIDGE|-CT)? /m;

/**
 * The variant that holds Docker's chains, else the one that `iptables` itself is.
 *
 * @returns undefined if iptables is not installed for this family, or cannot read its rules
 * @throws {DriverError} `firewall-split` if both hold Docker's chains
 */
export async function detectVariant(family: Family): Promise<FirewallCommands | undefined> {
  const tool = toolOf[family];
  // At the same time: a start waits for these, and each takes 0.1 s where there are many rules.
  const [standard, named] = await Promise.all([
    standardVariant(tool),
    inspect(`${tool}-nft`, 'nft', family),
  ]);
  const nft = named ?? (standard === 'nft' ? await inspect(tool, 'nft', family) : undefined);
  // Only reading makes the kernel load the legacy modules, where nothing used them before.
  const legacy =
    standard === 'legacy' || legacyTables(family) !== ''
      ? ((await inspect(`${tool}-legacy`, 'legacy', family)) ??
        (standard === 'legacy' ? await inspect(tool, 'legacy', family) : undefined))
      : undefined;
  if (nft?.hasDocker === true && legacy?.hasDocker === true) throw split(tool, standard);
  const chosen = [nft, legacy].find((each) => each?.hasDocker) ?? firstOf(standard, nft, legacy);
  return chosen?.commands;
}

interface Inspected {
  readonly commands: FirewallCommands;
  readonly hasDocker: boolean;
}

function firstOf(
  standard: Variant | undefined,
  nft: Inspected | undefined,
  legacy: Inspected | undefined,
): Inspected | undefined {
  return standard === 'legacy' ? (legacy ?? nft) : (nft ?? legacy);
}

/** What `iptables` itself is: `v1.8.9 (nf_tables)`, `(legacy)`, or a version before there were two. */
async function standardVariant(tool: string): Promise<Variant | undefined> {
  try {
    const { stdout } = await runCommand(tool, ['--version'], { timeoutMs: firewallTimeoutMs });
    return stdout.includes('nf_tables') ? 'nft' : 'legacy';
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

/** Reads one variant; undefined if there is no such command, or the kernel does not have the variant. */
async function inspect(
  name: string,
  variant: Variant,
  family: Family,
): Promise<Inspected | undefined> {
  try {
    const args = ['-t', 'filter'];
    const { stdout } = await runCommand(`${name}-save`, args, { timeoutMs: firewallTimeoutMs });
    return {
      commands: { variant, save: `${name}-save`, restore: `${name}-restore`, tool: name },
      hasDocker: dockerChain.test(await chainLines(family, stdout)),
    };
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}

/** The save text. In place of tables that iptables does not show, the names of their chains, by netlink. */
async function chainLines(family: Family, saved: string): Promise<string> {
  if (incompatibleTables(saved).length === 0) return saved;
  const chains = await chainsOf(family);
  return chains
    .filter(({ table }) => table === 'filter')
    .map(({ name }) => `:${name} -\n`)
    .join('');
}

/** Names of the legacy tables in use; empty also if the kernel has none. */
function legacyTables(family: Family): string {
  const file = legacyTablesFile[family];
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
}

function split(tool: string, standard: Variant | undefined): DriverError {
  const stale = standard === 'legacy' ? 'nft' : 'legacy';
  return new DriverError(
    'firewall-split',
    `choosing the firewall: both ${tool}-nft and ${tool}-legacy hold chains of Docker, so it is ` +
      `not known which of them the engine uses now. '${tool}' itself is ${standard ?? 'missing'}: ` +
      `if the engine uses that one too, the chains in ${tool}-${stale} are left over from before ` +
      `a change of the alternatives; remove them (a reboot does, or delete what ` +
      `'${tool}-${stale}-save' shows of DOCKER), then start tsbridge again`,
  );
}

/**
 * The files to which the links of `iptables` and `ip6tables` lead. `update-alternatives` sets these links:
 * when it has changed them, the engine uses the other variant from then on. Each commit asks for them first. That takes
 * 15 µs for each, and is done where it is called: on one of libuv's threads it would wait behind files that are written.
 */
export function toolTargets(): string {
  return Object.values(toolOf).map(targetOf).join(' ');
}

function targetOf(tool: string): string {
  const path = pathOf(tool);
  if (path === undefined) return '';
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}
